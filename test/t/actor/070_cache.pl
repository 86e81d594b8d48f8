# The cache on a standby, after a restart, a crash and a promotion; the bound of
# its size; values of dropped roles; sessions that all miss one key at once.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary', -streaming => 1, 'jadugar.cache_max_size' => '200kB');
create_extension($primary);
$primary->safe_psql('postgres', q{
	CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
	SELECT jadugar.grant_access('ann'), jadugar.grant_access('bob')});

# Runs SQL as a role.
sub sql
{
	my ($role, $sql, $node) = @_;

	return ($node // $primary)->safe_psql('postgres', $sql, extra_params => [ '-U', $role ]);
}

# The values of keys PREFIX1 to PREFIXn that are there, by number.
sub there
{
	my ($role, $prefix, $n) = @_;

	return sql($role, "SELECT string_agg(g::text, ' ' ORDER BY g) FROM generate_series(1, $n) g WHERE jadugar.cache_get('$prefix' || g) IS NOT NULL");
}

# Sets values of 20 kB that expire one after the other; returns how many were kept.
sub set_values
{
	my ($role, $prefix, $from, $to, $end) = @_;

	return sql($role, 'BEGIN;' .
		"SELECT count(*) FROM generate_series($from, $to) g WHERE jadugar.cache_set('$prefix' || g, to_jsonb(repeat('x', 20000)), ttl => make_interval(hours => g));" .
		$end);
}

# ------------------------------------------------------------------- its size

is(set_values('ann', 'v', 1, 15, 'COMMIT'), '15', 'a transaction may exceed the bound');
poll($primary, 'SELECT sum(bytes) <= 200 * 1024 FROM jadugar_internal.cache');
is(there('ann', 'v', 15), '7 8 9 10 11 12 13 14 15', 'what expires first is deleted');
cmp_ok(set_values('ann', 'w', 1, 30, 'ROLLBACK'), '<', 13, 'there is no room beyond twice the bound');
poll($primary, q{SET ROLE ann; SELECT jadugar.cache_set('w', '1')});
ok(1, 'there is room again when the scheduler has counted');
sql('ann', q{SELECT jadugar.cache_set('big', '1')});
is(sql('ann', q{SELECT jadugar.cache_set('big', (SELECT jsonb_agg(g) FROM generate_series(1, 50000) g))}), 'f', 'a value larger than the bound is refused');
is(sql('ann', q{SELECT jadugar.cache_get('big') IS NULL}), 't', 'its key has no value then');
sql('ann', q{SELECT jadugar.cache_delete('', prefix => true)});
$primary->restart;

# Another role is not held up by values that go.
is(set_values('ann', 'v', 1, 9, 'COMMIT'), '9', 'values of a role');
my $holder = $primary->background_psql('postgres', extra_params => [ '-U', 'ann' ]);
$holder->query_safe(q{BEGIN; SELECT jadugar.cache_set('v1', '1')});
is(set_values('bob', 'u', 10, 16, 'COMMIT'), '7', 'values of another role');
poll($primary, q{SELECT sum(bytes) <= 200 * 1024 FROM jadugar_internal.cache WHERE NOT (key = 'v1')});
is(there('bob', 'u', 16), '10 11 12 13 14 15 16', 'values that expire later stay');
$holder->query_safe('COMMIT');
$holder->quit;
is(sql('ann', q{SELECT jadugar.cache_get('v1')}), '1', 'the scheduler passes over rows that are locked');

# ----------------------------------------------------------- many ask at once

$primary->safe_psql('postgres', 'CREATE TABLE calls (pid int); GRANT ALL ON calls TO ann');
my $gate = $primary->background_psql('postgres');
$gate->query_safe('SELECT pg_advisory_lock(71)');
my @sessions = map { $primary->background_psql('postgres', extra_params => [ '-U', 'ann' ]) } 1 .. 20;
foreach my $session (@sessions)
{
	$session->query_until(qr/asked/, "\\echo asked\nSELECT jadugar.cached('one', 'WITH g AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(71)) INSERT INTO calls SELECT pg_backend_pid() FROM g RETURNING pid');\n");
}
poll($primary, q{SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'}, '20');
$gate->query_safe('SELECT pg_advisory_unlock(71)');
$_->query('SELECT 1') foreach @sessions;
is($primary->safe_psql('postgres', 'SELECT count(*) FROM calls'), '1', '20 sessions that miss a value compute it once');
$_->quit foreach @sessions;
$gate->quit;

# ------------------------------------------------- standby, restart, crash, dump

my $standby = new_standby('standby', $primary);
sql('ann', q{SELECT jadugar.cache_set('s', '1')});
$primary->wait_for_catchup($standby);
is(sql('ann', q{SELECT jadugar.cache_get('s') IS NULL}, $standby), 't', 'the cache of a standby is empty');
is(sql('ann', q{SELECT jadugar.cached('s', 'SELECT 2 AS two', stale_for => '1 h')}, $standby), '{"two": 2}', 'a standby computes');
like(psql_error($standby, q{SELECT jadugar.cache_set('s', '1')}), qr/read-only/, 'nothing can be set on a standby');

$primary->restart;
is(sql('ann', q{SELECT jadugar.cache_get('s')}), '1', 'values survive a restart');

unlike($primary->safe_psql('postgres', q{SELECT array_to_string(extconfig::regclass[], ' ') FROM pg_extension WHERE extname = 'jadugar'}),
	qr/internal\.cache/, 'values are not dumped');

# ------------------------------------------------------------------ lost roles

$primary->safe_psql('postgres', q{DROP OWNED BY bob; DROP ROLE bob});
$primary->restart;
poll($primary, q{SELECT count(*) FROM jadugar_internal.cache WHERE owner NOT IN (SELECT oid FROM pg_roles)}, '0');
ok(1, 'values of a dropped role are deleted');

kill_postmaster($primary);
$primary->start;
is(sql('ann', q{SELECT jadugar.cache_get('s') IS NULL}), 't', 'the cache is empty after a crash');
is(sql('ann', q{SELECT jadugar.cached('s', 'SELECT 3 AS three')}), '{"three": 3}', 'and is filled again');

$standby->promote;
is(sql('ann', q{SELECT jadugar.cached('s', 'SELECT 4 AS four')}, $standby), '{"four": 4}', 'a promoted standby has a cache');
is(sql('ann', q{SELECT jadugar.cache_get('s')}, $standby), '{"four": 4}', 'and keeps values');

done_testing();
