# Dump and restore, copies by TEMPLATE, and pg_upgrade: the contents of a database
# are kept, and in a copy nothing runs until adopt().
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $from = new_cluster('from', 'jadugar.max_workers' => 2);
my $to = new_cluster('to', 'jadugar.max_workers' => 2);

# The same names have other OIDs there, and one OID belongs to another name.
$from->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN');
$to->safe_psql('postgres',
	'CREATE ROLE carol LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN');

create_extension($from, 'app');
$from->safe_psql('app', q{
	CREATE TABLE effect (what text, who name DEFAULT session_user);
	GRANT ALL ON effect TO PUBLIC;
	CREATE TABLE made (what text, task_id bigint);
	GRANT ALL ON made TO PUBLIC;
	CREATE FUNCTION note(payload jsonb) RETURNS void LANGUAGE sql AS
		$$INSERT INTO public.effect VALUES (payload->>'what')$$;
	SELECT jadugar.grant_access(r, 'user') FROM unnest('{alice, bob, carol}'::text[]) r;
	SELECT jadugar.register_handler('note', 'public.note(jsonb)');
	SELECT jadugar.grant_handler('note', r) FROM unnest('{alice, bob, carol}'::text[]) r;
	SELECT jadugar.create_queue('mail', max_concurrency => 1);
	SELECT jadugar.grant_queue('mail', 'alice', 'enqueue');
	SELECT jadugar.pause_queue('default');
	SELECT jadugar.pause_queue('mail')});

sub as
{
	my ($role, $sql) = @_;

	return $from->safe_psql('app', $sql, extra_params => [ '-U', $role ]);
}

as($_, qq{
	SELECT jadugar.schedule('tick', 'every 1 second', 'note', '{"what": "tick"}');
	INSERT INTO made SELECT 'first', jadugar.enqueue('note', '{"what": "first"}');
	INSERT INTO made SELECT 'next', jadugar.enqueue('note', '{"what": "next"}',
		depends_on => array_agg(task_id)) FROM made
	WHERE what = 'first' AND task_id IN (SELECT task_id FROM jadugar.tasks);
	INSERT INTO made SELECT 'later', jadugar.enqueue('note', '{"what": "later"}', delay => '1 hour')})
  foreach qw(alice bob carol);
as('alice', q{INSERT INTO made SELECT 'mail', jadugar.enqueue('note', '{"what": "mail"}', queue => 'mail')});
as('bob', q{SELECT jadugar.schedule('boot', '@startup', 'note', '{"what": "boot"}')});

# A task waits for a retry of one that has failed: the dump has no history.
my $failed = $from->safe_psql('app', q{
	SELECT jadugar.create_queue('failing') > 0;
	SELECT jadugar.grant_queue('failing', 'alice', 'enqueue')});
$failed = as('alice', q{SELECT jadugar.enqueue('SELECT 1/0', queue => 'failing')});
poll($from, "SELECT status FROM jadugar.get_task($failed)", 'failed', 'app');
my $orphan = as('alice', qq{SELECT jadugar.enqueue('note', '{"what": "orphan"}', depends_on => '{$failed}',
	on_dependency_failure => 'wait')});

# The schedule of each role has a pending occurrence.
poll($from, q{SELECT count(*) FROM jadugar.tasks WHERE schedule = 'tick'}, '3', 'app');

# The restored rows: names, not OIDs.  A start of the server adds a boot.
my $contents = q{
	SELECT 'schedule ' || name || ' ' || timing || ' ' || owner FROM jadugar.schedules
	UNION ALL SELECT concat_ws(' ', 'task', t.task_id, status, queue, t.owner, payload->>'what', depends_on) FROM jadugar.tasks t
		WHERE schedule IS DISTINCT FROM 'boot'
	UNION ALL SELECT 'handler ' || name FROM jadugar_internal.handler
	UNION ALL SELECT concat_ws(' ', 'queue', name, max_concurrency) FROM jadugar.queues
	ORDER BY 1};
my $dir = PostgreSQL::Test::Utils::tempdir();
my @connect = ('-d', $from->connstr('app'));

command_ok([ 'pg_dump', '-f', "$dir/plain", @connect ], 'pg_dump');
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", @connect ], 'pg_dump -Fc');
command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/directory", @connect ], 'pg_dump -Fd -j2');

sub restore
{
	my ($node, $db, @command) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	return command_ok([ @command, '-d', $node->connstr($db) ], "restore by @command[0..1]");
}

# Nothing has run or runs there, although the library is loaded.
sub not_adopted
{
	my ($node, $db, $what) = @_;

	# Its scheduler has checked the database.
	poll($node, q{SELECT detail FROM jadugar.health WHERE what = 'identity'},
		'these schedules and tasks come from another database: nothing runs', $db);
	wait_for_process($node, 'scheduler', $db);
	is($node->safe_psql($db, q{SELECT DISTINCT waiting_for FROM jadugar.tasks
			WHERE status = 'pending' AND depends_on IS NULL}),
		'not_adopted', "$what: tasks show why they wait");
	is($node->safe_psql($db, 'SELECT count(*) FROM effect'), '0', "$what: no task has run");
	is($node->safe_psql($db, 'SELECT count(*) FROM jadugar.history'), '0', "$what: no attempt is recorded");
	is(join(' ', jadugar_processes($node, 'worker', $db)), '', "$what: no worker");
	return;
}

# After adopt(), each of these tasks runs once, as its owner; schedules continue.
sub works
{
	my ($node, $db, $what, $wanted) = @_;

	poll($node, q{
		SELECT string_agg(concat_ws(' ', what, who), ', ' ORDER BY what, who)
		FROM effect WHERE what NOT IN ('tick', 'boot')}, $wanted, $db);
	is($node->safe_psql($db, q{
			SELECT count(task_id) - count(DISTINCT task_id) FROM jadugar.history WHERE final}),
		'0', "$what: no task ran twice");
	poll($node, q{SELECT count(DISTINCT who) FROM effect WHERE what = 'tick' AND who IN ('alice', 'bob')}, '2', $db);
	return;
}

restore($to, 'plain', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain");
restore($to, 'custom', 'pg_restore', "$dir/custom");
restore($to, 'parallel', 'pg_restore', '-j2', "$dir/directory");

# Levels alone: a role does not get one since its OID was that of another role.
create_extension($from, 'levels');
$from->safe_psql('levels', q{SELECT jadugar.grant_access('alice', 'operator')});
command_ok([ 'pg_dump', '-f', "$dir/levels", '-d', $from->connstr('levels') ], 'pg_dump of levels');
restore($to, 'levels', 'psql', '-qXf', "$dir/levels");
$to->safe_psql('levels', 'GRANT USAGE ON SCHEMA jadugar TO alice, bob, carol');
is($to->safe_psql('levels', "SET ROLE $_; SELECT count(*) FROM jadugar.audit"), $_ eq 'alice' ? '1' : '0', "levels: $_")
  foreach qw(alice bob carol);
$to->safe_psql('levels', 'SELECT jadugar.adopt()');
is($to->safe_psql('levels', 'SELECT role, level FROM jadugar.access_levels'), 'alice|operator', 'levels are mapped');

# Another cluster, in which carol is missing.
$to->safe_psql($_, 'DROP OWNED BY carol') foreach qw(plain custom parallel levels);
$to->safe_psql('postgres', 'DROP ROLE carol');
not_adopted($to, 'parallel', 'another cluster');
my $error = psql_error($to, 'SELECT jadugar.adopt(NULL)', 'parallel');
like($error, qr/ERROR:/, 'adopt(NULL) is refused');
is( $to->safe_psql('parallel', q{SELECT owner FROM jadugar.adopt(missed => 'skip', pending => 'run')}),
	'carol', 'adopt() lists the missing owner');
$to->safe_psql('parallel', q{SELECT jadugar.resume_queue('mail')});
works($to, 'parallel', 'another cluster',
	'first alice, first bob, mail alice, next alice, next bob');
is($to->safe_psql('parallel', "SELECT waiting_for FROM jadugar.tasks WHERE task_id = $orphan"), 'dependency',
	'a task still waits for one that failed before the dump');
like(psql_error($to, "SELECT jadugar.enqueue('SELECT 1', depends_on => '{$failed}')", 'parallel'),
	qr/it is not known whether task $failed in depends_on has succeeded/, 'and its end is not taken for success');
poll($to, q{
	SELECT string_agg(DISTINCT concat_ws(' ', status, reason), ', ') FROM jadugar.history
	WHERE owner ~ '^\d+$' AND task_id IS NOT NULL}, 'failed owner_missing', 'parallel');
is($to->safe_psql('parallel', q{
		SELECT count(*) FROM jadugar.history WHERE schedule = 'tick' AND reason = 'not_adopted'
			AND status = 'skipped' AND occurrences > 0}),
	'3', 'missed occurrences are recorded');
is( $to->safe_psql('parallel', q{SELECT count(*) FROM effect WHERE what = 'boot'}),
	'1', '@startup fires in its new place');
is($to->safe_psql('parallel', q{SELECT count(*) FROM jadugar.health WHERE severity = 'error'
		AND what <> 'owner_missing'}), '0', 'health reports nothing else');
like(psql_error($to, 'SELECT jadugar.adopt()', 'parallel'),
	qr/ERROR:  this database does not need adoption/, 'a second adopt() is refused');

not_adopted($to, 'custom', 'before pending => cancel');
$to->safe_psql('custom', 'GRANT USAGE ON SCHEMA jadugar TO alice');
like(psql_error($to, 'SET ROLE alice; SELECT jadugar.adopt()', 'custom'),
	qr/ERROR:/, 'adopt() is refused to ordinary roles');
$to->safe_psql('custom', q{SELECT jadugar.adopt(missed => 'policy', pending => 'cancel')});
is($to->safe_psql('custom', q{
		SELECT count(*), count(DISTINCT task_id) FROM jadugar.history WHERE status = 'cancelled'}),
	'14|14', "pending => 'cancel'");
poll($to, q{SELECT string_agg(DISTINCT what, ' ') FROM effect WHERE what <> 'tick'}, 'boot', 'custom');
poll($to, q{SELECT count(DISTINCT who) FROM effect WHERE what = 'tick' AND who IN ('alice', 'bob')}, '2', 'custom');

not_adopted($to, 'plain', 'before pending => pause');
$to->safe_psql('plain', q{SELECT jadugar.adopt(missed => 'skip', pending => 'pause')});
is($to->safe_psql('plain', q{SELECT status, count(*) FROM jadugar.tasks WHERE schedule IS NULL GROUP BY 1}),
	'paused|11', "pending => 'pause'");
$to->safe_psql('plain', q{SELECT jadugar.resume_queue('mail')});
$to->safe_psql('plain', q{SELECT jadugar.resume_task(task_id) FROM jadugar.tasks
	WHERE status = 'paused' AND owner IN ('alice', 'bob')});
is($to->safe_psql('plain', q{SELECT string_agg(DISTINCT function, ' ' ORDER BY function) FROM jadugar.audit
	WHERE function IN ('adopt', 'schedule', 'grant_queue')}), 'adopt grant_queue schedule', 'the audit trail is in the dump, and goes on');
is($to->safe_psql('plain', q{SET ROLE bob; SELECT string_agg(DISTINCT role, ' ') FROM jadugar.audit WHERE function = 'schedule'}),
	'bob', 'and its roles are those of this cluster');
works($to, 'plain', 'resumed', 'first alice, first bob, mail alice, next alice, next bob');
$to->stop;

# The same cluster: a restore, and a copy made while jadugar runs in the original.
my $before = $from->safe_psql('app', $contents);
restore($from, 'restored', 'pg_restore', '-j2', "$dir/directory");
not_adopted($from, 'restored', 'the same cluster');
is($from->safe_psql('restored', $contents), $before, 'the same cluster: all objects are restored');
# There, roles are the same ones, whatever their names have become meanwhile.
$from->safe_psql('app', q{UPDATE jadugar_internal.owner SET name = 'bob' WHERE name = 'alice'});
$from->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE app');
$from->safe_psql('app', q{UPDATE jadugar_internal.owner SET name = 'alice' WHERE role = 'alice'::regrole});
is($from->safe_psql('copied', $contents), $before, 'a copy by TEMPLATE: all objects are copied');
wait_for_process($from, 'scheduler', 'copied');
poll($from, q{SELECT severity FROM jadugar.health WHERE what = 'identity'}, 'error', 'copied');
is($from->safe_psql('copied', q{SELECT owner FROM jadugar.adopt()}), '', 'no owner is missing');
$from->safe_psql('copied', q{SELECT jadugar.resume_queue('default'), jadugar.resume_queue('mail')});
works($from, 'copied', 'a copy by TEMPLATE',
	'first alice, first bob, first carol, mail alice, next alice, next bob, next carol');
is(join(' ', jadugar_processes($from, 'worker', 'restored')), '', 'the other copy still waits');
is($from->safe_psql('app', 'SELECT count(*) FROM effect'), '0', 'the original is unchanged');

# Two roles change names: the dump has those of the moment, and a comparison
# with the privileges shows names that are older.
create_extension($from, 'renamed');
$from->safe_psql('postgres', 'CREATE ROLE dora LOGIN; CREATE ROLE emil LOGIN');
$from->safe_psql('renamed', q{SELECT jadugar.grant_access(r, 'user'), jadugar.schedule(r || ' once', 'manual', 'SELECT 1', owner => r)
	FROM unnest('{dora, emil}'::text[]) r});
# from another database, so that only the schedulers can see to it
$from->safe_psql('postgres', 'ALTER ROLE dora RENAME TO dora2; ALTER ROLE emil RENAME TO dora');
my $names = q{SELECT string_agg(name, ' ' ORDER BY name) FROM jadugar_internal.owner WHERE name ~ 'dora|emil'};
poll($from, $names, 'dora dora2', 'renamed');
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/renamed", '-d', $from->connstr('renamed') ], 'pg_dump after a rename');
$from->safe_psql('renamed', q{UPDATE jadugar_internal.owner SET name = 'emil' WHERE name = 'dora';
	UPDATE jadugar_internal.owner SET name = 'dora' WHERE name = 'dora2'});
command_ok([ 'pg_dump', '-Fc', '-f', "$dir/stale", '-d', $from->connstr('renamed') ], 'pg_dump with older names');
restore($from, 'again', 'pg_restore', "$dir/renamed");
wait_for_process($from, 'scheduler', 'again');
is($from->safe_psql('again', 'SELECT owner, problem FROM jadugar.adopt()'), '', 'the names of the moment agree');
is($from->safe_psql('again', 'SELECT name, owner FROM jadugar.schedules ORDER BY 1'),
	"dora once|dora2\nemil once|dora", 'after a rename, the work belongs to the same role');
restore($from, 'stale', 'pg_restore', "$dir/stale");
$from->safe_psql('postgres', 'CREATE ROLE emil LOGIN');
like($from->safe_psql('stale', 'SELECT owner, problem FROM jadugar.adopt()'),
	qr/^dora2\|.*no access.*\nemil\|.*no USAGE/, 'older names do not agree with the privileges');
$from->safe_psql('postgres', "DROP DATABASE $_") foreach qw(renamed again stale);
$from->safe_psql('postgres', 'DROP ROLE dora, dora2, emil');

# pg_upgrade
my $rows = $from->safe_psql('app', q{SELECT max(attempt_id) FROM jadugar.history});
my $partitions = q{
	SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
	WHERE i.inhparent = 'jadugar_internal.attempt'::regclass};
my $partitioned = $from->safe_psql('app', $partitions);
like($partitioned, qr/^attempt_\d+ attempt_\d+$/, 'partitions of the history are members of the extension');
$from->stop;
my $upgraded = new_cluster('upgraded', -start => 0, 'jadugar.max_workers' => 2);
my $bindir = $from->config_data('--bindir');
chdir $dir or die "chdir: $!";
command_ok(
	[
		'pg_upgrade', '--no-sync', '-U', 'postgres',
		'-b', $bindir, '-B', $bindir,
		'-d', $from->data_dir, '-D', $upgraded->data_dir,
		'-s', $from->host, '-p', $from->port, '-P', $upgraded->port
	],
	'pg_upgrade');
chdir '/' or die "chdir: $!";
$upgraded->start;
wait_for_process($upgraded, 'scheduler', 'app');
is($upgraded->safe_psql('app', q{SELECT detail FROM jadugar.health WHERE what = 'identity'}),
	'schedules and tasks belong to this database', 'after pg_upgrade no adopt() is needed');
is($upgraded->safe_psql('app', $contents), $before, 'after pg_upgrade: all objects exist');
is($upgraded->safe_psql('app', "SELECT count(*) > 0 FROM jadugar.history WHERE attempt_id = $rows"),
	't', 'after pg_upgrade: the history exists');
is($upgraded->safe_psql('app', $partitions), $partitioned, 'after pg_upgrade: the partitions of the history exist');
$upgraded->safe_psql('app', q{SELECT jadugar.resume_queue('default'), jadugar.resume_queue('mail')});
works($upgraded, 'app', 'after pg_upgrade',
	'first alice, first bob, first carol, mail alice, next alice, next bob, next carol');
is(psql_error($upgraded, 'DROP EXTENSION jadugar', 'app'), '', 'after pg_upgrade: DROP EXTENSION');
is($upgraded->safe_psql('app', q{SELECT nspname FROM pg_namespace WHERE nspname ~ 'jadugar'}),
	'', 'after pg_upgrade: nothing is left after DROP EXTENSION');
is($upgraded->safe_psql('restored', q{SELECT severity FROM jadugar.health WHERE what = 'identity'}),
	'error', 'after pg_upgrade: a copy that was not adopted still is not');
$upgraded->stop;
done_testing();
