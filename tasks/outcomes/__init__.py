"""Judge published lists by what their users did next, and compare the arms of a trial."""
