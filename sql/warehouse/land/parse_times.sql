-- Rewrites the times of the file that was just read from the way that the settings name into ISO 8601, UTC. A time that is
-- written otherwise stays as it is.
-- Inputs:  temp incoming; $time_format, of strptime.
-- Output:  timestamp in temp incoming.
update incoming
set timestamp = coalesce(
    strftime(try_strptime(timestamp, $time_format)::timestamptz at time zone 'UTC', '%Y-%m-%dT%H:%M:%S'), timestamp
);
