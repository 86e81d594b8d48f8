# Changes of an administrator to the tables: adding columns, dropping them again,
# dropping a partition of the history; and DROP EXTENSION, which leaves nothing.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main');

# Enqueues one more task, which completes.
sub runs
{
	my ($after) = @_;

	my $id = $node->safe_psql('postgres', "SELECT jadugar.enqueue('SELECT 1')");
	ok( poll(
			$node,
			"SELECT status FROM jadugar.history WHERE task_id = $id",
			'completed'),
		"$after: a task runs");
	return;
}

$node->safe_psql('postgres', 'CREATE EXTENSION jadugar');
runs('untouched');

# Memory of functions that cancel many tasks
my @grown = split /\n/, $node->safe_psql('postgres', q{
	CREATE FUNCTION peak() RETURNS bigint LANGUAGE sql
		RETURN substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')::bigint;
	CREATE FUNCTION nothing(jsonb) RETURNS void LANGUAGE sql AS '';
	SELECT jadugar.register_handler('many', 'nothing(jsonb)') \g /dev/null
	SELECT count(jadugar.enqueue('many', delay => '1 day')) FROM generate_series(1, 20000) \g /dev/null
	SELECT peak() AS before \gset
	SELECT jadugar.drop_handler('many', pending => 'cancel') \g /dev/null
	SELECT peak() - :before;
	CREATE ROLE many LOGIN;
	SELECT jadugar.grant_access('many', 'user') \g /dev/null
	SET ROLE many;
	SELECT count(jadugar.enqueue('SELECT 1', delay => '1 day')) FROM generate_series(1, 20000) \g /dev/null
	RESET ROLE;
	SELECT peak() AS before \gset
	SELECT count(*) FROM jadugar.drop_owned('many') \g /dev/null
	SELECT peak() - :before});
cmp_ok($grown[0], '<', 50_000, 'drop_handler() cancels 20000 tasks in 50 MB');
cmp_ok($grown[1], '<', 50_000, 'drop_owned() cancels 20000 tasks in 50 MB');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar.tasks'), '0', 'and leaves none');

foreach my $table ('task', 'attempt')
{
	$node->safe_psql('postgres', "ALTER TABLE jadugar_internal.$table ADD COLUMN more integer");
	runs("$table with an added column");
	$node->safe_psql('postgres', "ALTER TABLE jadugar_internal.$table DROP COLUMN more");
	runs("$table without the added column");
}

# Since PostgreSQL 16, a new version of a row stays without entries in B-trees if
# only columns of BRIN indexes have changed.  A second entry would point to it.
$node->safe_psql('postgres', q{
	CREATE EXTENSION pageinspect;
	CREATE INDEX run_brin ON jadugar_internal.flow_run USING brin (live, next_id);
	CREATE INDEX step_brin ON jadugar_internal.flow_step USING brin (ended, succeeded)});
my $run = $node->safe_psql('postgres', q{
	SET search_path = public, jadugar;
	SELECT start_flow(step('a', 'SELECT 1', compensate => 'SELECT 2') ~> wait_signal('first') ~> step('b', 'SELECT 1', compensate => 'SELECT 2')
		~> wait_signal('second') ~> step('c', 'SELECT 1/0'))});
sub signal_when_waiting
{
	my ($signal) = @_;

	poll($node, qq{SELECT count(*) FROM jadugar.flow_steps WHERE run_id = $run AND status = 'running' AND waiting_for = 'signal:$signal'}, '1');
	$node->safe_psql('postgres', "SELECT jadugar.signal($run, '$signal')");
	return;
}
signal_when_waiting('first');
poll($node, qq{SELECT count(*) FROM jadugar.flow_steps WHERE run_id = $run AND waiting_for = 'signal:second'}, '1');
foreach my $table ('flow_run', 'flow_step')
{
	is($node->safe_psql('postgres', qq{
		SELECT count(*) FROM bt_page_items('jadugar_internal.${table}_pkey', 1) i
		JOIN (SELECT format('(%s,%s)', b, h.lp)::tid AS tid, h.*
			FROM generate_series(0, pg_relation_size('jadugar_internal.$table')::integer / current_setting('block_size')::integer - 1) b,
				heap_page_items(get_raw_page('jadugar_internal.$table', b)) h) t ON t.tid = i.htid
		WHERE t.lp_flags = 0 OR t.t_infomask2 & 32768 <> 0}),
		'0', "BRIN indexes: no entry of the key of $table points into a chain of versions");
}
signal_when_waiting('second');
ok(poll($node, "SELECT status FROM jadugar.flow_runs WHERE run_id = $run", 'compensated'), 'BRIN indexes: a flow ends and is undone');
$node->safe_psql('postgres', q{
	DROP EXTENSION pageinspect;
	DROP INDEX jadugar_internal.run_brin, jadugar_internal.step_brin});

poll($node, 'SELECT count(*) FROM jadugar_internal.task', 0);
$node->safe_psql('postgres', 'ALTER TABLE jadugar_internal.task ADD COLUMN more integer NOT NULL');
like(
	psql_error($node, q{SELECT jadugar.enqueue('SELECT 1')}),
	qr/unexpected NOT NULL column "more" in relation "task"/,
	'a column that must not be null is refused');
$node->safe_psql('postgres', 'ALTER TABLE jadugar_internal.task DROP COLUMN more');

my $drop = $node->safe_psql('postgres',
	q{SELECT format('ALTER EXTENSION jadugar DROP TABLE %1$s; DROP TABLE %1$s;', inhrelid::regclass)
		FROM pg_inherits WHERE inhparent = 'jadugar_internal.attempt'::regclass});
$node->safe_psql('postgres', $drop);
runs('partitions of the history dropped');

# Default privileges of a superuser give a role nothing of the extension.
$node->safe_psql('postgres', 'CREATE DATABASE shared');
$node->safe_psql('shared', q{
	CREATE ROLE reader LOGIN;
	ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE ON TABLES TO reader;
	ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO reader;
	CREATE EXTENSION jadugar});
is( $node->safe_psql('shared', q{
		SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'jadugar_internal' AND c.relkind IN ('r', 'p')
		AND (has_table_privilege('reader', c.oid, 'SELECT') OR has_table_privilege('reader', c.oid, 'UPDATE')
			OR has_schema_privilege('reader', n.oid, 'USAGE'))}),
	'0', 'default privileges open no table');
$node->safe_psql('postgres', 'DROP DATABASE shared');

# The extension owns its schemas.
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN');
$node->safe_psql('postgres', q{SELECT jadugar.grant_access('alice')});
like(psql_error($node, 'DROP SCHEMA jadugar CASCADE'),
	qr/cannot drop schema jadugar because extension jadugar requires it/, 'a schema of the extension cannot be dropped alone');
like(psql_error($node, 'ALTER EXTENSION jadugar SET SCHEMA public'),
	qr/does not support SET SCHEMA/, 'the extension stays in its schemas');
$node->safe_psql('postgres', 'CREATE TABLE jadugar.foreign_one (a integer)');
like(psql_error($node, 'DROP EXTENSION jadugar'),
	qr/other objects depend on it/, "somebody's table in the schema is not dropped");
$node->safe_psql('postgres', 'DROP TABLE jadugar.foreign_one');

# Partitions are created later, and one may be detached but not dropped yet.
my $detach = $node->safe_psql('postgres',
	q{SELECT format('ALTER TABLE %s DETACH PARTITION %s', inhparent::regclass, inhrelid::regclass)
		FROM pg_inherits JOIN pg_class c ON c.oid = inhparent
		WHERE inhparent = 'jadugar_internal.attempt'::regclass LIMIT 1});
$node->safe_psql('postgres', $detach);
is(psql_error($node, 'DROP EXTENSION jadugar'), '', 'DROP EXTENSION');
is($node->safe_psql('postgres', q{
		SELECT nspname FROM pg_namespace WHERE nspname ~ 'jadugar'
		UNION ALL SELECT relname FROM pg_class WHERE relname ~ '^attempt_[0-9]'
		UNION ALL SELECT typname FROM pg_type WHERE typname IN ('timing', 'flow', 'task_info')
		UNION ALL SELECT proname FROM pg_proc WHERE probin ~ 'jadugar'
		UNION ALL SELECT 'privilege' FROM pg_init_privs WHERE objoid >= 16384
		UNION ALL SELECT 'grant' FROM pg_shdepend WHERE refobjid = 'alice'::regrole}),
	'', 'no schema, table, type, function or grant is left');
is(psql_error($node, 'DROP ROLE alice'), '', 'a role that had access can be dropped');

# A role that created a schema of that name would own its contents.
$node->safe_psql('postgres', 'CREATE ROLE mallory');
foreach my $schema (qw(jadugar jadugar_internal))
{
	$node->safe_psql('postgres', "CREATE SCHEMA $schema AUTHORIZATION mallory");
	like(psql_error($node, 'CREATE EXTENSION jadugar'),
		qr/schema "$schema" already exists/, "a schema $schema of another role is not used");
	$node->safe_psql('postgres', "DROP SCHEMA $schema");
}
$node->safe_psql('postgres', 'CREATE EXTENSION jadugar');
runs('created again');

# Default privileges may differ from those of the server, in both directions.
$node->safe_psql('postgres', 'CREATE ROLE bob LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE defaults');
$node->safe_psql('defaults', q{
	ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
	ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
	CREATE EXTENSION jadugar;
	SELECT jadugar.grant_access('bob')});
my $works = q{SELECT jadugar.enqueue('SELECT 1'), '1 hour'::jadugar.timing, jadugar.step('a', 'SELECT 1') OPERATOR(jadugar.~>) jadugar.sleep('1 s')};
is(psql_error($node, "SET ROLE bob; $works", 'defaults'), '', 'default privileges: a role with access can use jadugar');
like(psql_error($node, 'SET ROLE mallory; SELECT count(*) FROM jadugar.tasks', 'defaults'),
	qr/permission denied for schema jadugar/, 'default privileges: a role without access cannot');
poll($node, q{SELECT count(*) > 0 FROM jadugar.history}, 't', 'defaults');
is($node->safe_psql('defaults', q{
		SELECT c.oid::regclass FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.relnamespace IN ('jadugar'::regnamespace, 'jadugar_internal'::regnamespace) AND a.grantee = 0
			AND (c.relkind <> 'v' OR a.privilege_type <> 'SELECT')}),
	'', 'default privileges: no table is PUBLIC\'s');

$node->stop;
done_testing();
