-- Sums of a metric per user, and of its differences to another column on the same days, for paired intervals.
-- Inputs:  view judged (day, variant, model, user_id, has_list, n_positives, hits, value), one row per column, day and
--          user who came to like something new; comparisons (variant, model, of_variant, of_model), one row per column.
-- Output:  variant, model, user_id, n_days, total, n_paired, difference, hits, with_list (days on which the user had a
--          list); sorted by variant, model, user_id.
-- Grain:   one row per column (a variant's model) and user.
select
    comparisons.variant,
    comparisons.model,
    judged.user_id,
    count(*) as n_days,
    sum(judged.value) as total,
    count(other.value) as n_paired,
    coalesce(sum(judged.value - other.value), 0) as difference,
    sum(judged.hits) as hits,
    count(*) filter (judged.has_list) as with_list
from comparisons
join judged on judged.variant = comparisons.variant and judged.model = comparisons.model
left join judged as other
    on
        other.variant = comparisons.of_variant and other.model = comparisons.of_model
        and other.day = judged.day and other.user_id = judged.user_id
group by all
order by comparisons.variant, comparisons.model, judged.user_id;
