-- Histogram of the utilities that the models are trained on.
-- Inputs:  utilities (utility float), the entries of the composite matrix of tonight's snapshot; $edges double[],
--          ascending.
-- Output:  histogram, map(edge, utilities above the edge before and at most this high), the last key infinity; null
--          without utilities. n_new, null.
-- Grain:   one row.
select histogram(utility::double, $edges::double[]) as histogram, null as n_new
from utilities;
