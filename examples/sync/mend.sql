\c sync_east
SELECT format('ALTER SERVER other OPTIONS (SET port %L)', current_setting('port')) \gexec
\c sync_west
SELECT format('ALTER SERVER other OPTIONS (SET port %L)', current_setting('port')) \gexec
