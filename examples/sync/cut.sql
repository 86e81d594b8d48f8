-- Nobody listens on that port.
\c sync_east
ALTER SERVER other OPTIONS (SET port '1');
\c sync_west
ALTER SERVER other OPTIONS (SET port '1');
