# Commands on databases work while jadugar runs in them, and jadugar continues
# afterwards.  The extension can be dropped and created again, and everything can be
# switched off.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_cluster('main', 'jadugar.max_workers' => 6);
create_extension($node, 'one');
create_extension($node, 'two');
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN CREATEDB');
foreach my $db (qw(one two))
{
	$node->safe_psql($db, q{
		CREATE TABLE effect (who name DEFAULT session_user, n int);
		GRANT ALL ON effect TO PUBLIC;
		SELECT jadugar.grant_access(r, 'user') FROM unnest('{alice, bob}'::text[]) r});
}

sub run_one
{
	my ($db, $what) = @_;
	my $task = $node->safe_psql($db, q{SELECT jadugar.enqueue('SELECT 1')});

	ok(poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed', $db), $what);
	return;
}

# Starts a long task, and returns its id.
sub long_task
{
	my ($db, $options) = @_;
	my $task = $node->safe_psql($db,
		"SELECT jadugar.enqueue('SELECT pg_sleep(3600)' $options)");    # waits-for-time: cancelled

	poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $task", '1', $db);
	return $task;
}

# The first use of a database may be a task that lies ahead
create_extension($node, 'ahead');
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar scheduler'
	AND datname = 'ahead' AND query ~ 'first use' AND state = 'idle'}, '1');
my $ahead = $node->safe_psql('ahead', q{SELECT jadugar.enqueue('SELECT 1', delay => '1 s')});
ok(poll($node, "SELECT status FROM jadugar.get_task($ahead)", 'completed', 'ahead'),
	'a delayed task runs in time if it is the first use of a database');
$node->safe_psql('postgres', 'DROP DATABASE ahead');

# Several databases and several roles at the same time
foreach my $role (qw(alice bob postgres))
{
	foreach my $db (qw(one two))
	{
		$node->safe_psql($db, q{
			SELECT count(jadugar.enqueue('INSERT INTO effect (n) VALUES (($1->>''n'')::int)',
				jsonb_build_object('n', n))) FROM generate_series(1, 40) n},
			extra_params => [ '-U', $role ]);
	}
}
foreach my $db (qw(one two))
{
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0', $db);
	is($node->safe_psql($db, q{
			SELECT string_agg(who || ' ' || c || ' ' || d, ', ' ORDER BY who)
			FROM (SELECT who, count(*) c, count(DISTINCT n) d FROM effect GROUP BY who) e}),
		'alice 40 40, bob 40 40, postgres 40 40', "database $db: each role's tasks ran as that role");
}

# With idle workers: as a template, renamed, in another tablespace, dropped.
is($node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE one'), '', 'CREATE DATABASE ... TEMPLATE');
run_one('one', 'the template works again');
is($node->safe_psql('postgres', 'ALTER DATABASE one RENAME TO uno'), '', 'ALTER DATABASE ... RENAME');
run_one('uno', 'the renamed database works again');
my $dir = PostgreSQL::Test::Utils::tempdir_short();
$node->safe_psql('postgres', "CREATE TABLESPACE other LOCATION '$dir'");
is($node->safe_psql('postgres', 'ALTER DATABASE uno SET TABLESPACE other'), '', 'ALTER DATABASE ... SET TABLESPACE');
run_one('uno', 'the moved database works again');
$node->safe_psql('postgres', 'ALTER DATABASE uno SET TABLESPACE pg_default');

# In a transaction that rolls back, and in one that fails
$node->safe_psql('postgres', 'BEGIN; ALTER DATABASE uno RENAME TO nope; ROLLBACK');
run_one('uno', 'after a rollback');
like(psql_error($node, 'ALTER DATABASE uno RENAME TO two'), qr/already exists/, 'a name that is taken');
run_one('uno', 'after a statement that failed');

# Both in one transaction
$node->safe_psql('postgres',
	'BEGIN; ALTER DATABASE uno RENAME TO eins; ALTER DATABASE two RENAME TO zwei; COMMIT');
run_one('eins', 'the first of two databases renamed at once');
run_one('zwei', 'the second of two databases renamed at once');
$node->safe_psql('postgres', 'ALTER DATABASE zwei RENAME TO two; ALTER DATABASE eins RENAME TO uno');

# With a second scheduler that waits
is($node->safe_psql('uno', 'SELECT jadugar_internal._start_scheduler()'), 't', 'a second scheduler');
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar scheduler' AND datname = 'uno'}, '2');
is($node->safe_psql('postgres', 'ALTER DATABASE uno RENAME TO tmp'), '', 'a waiting scheduler exits too');
run_one('tmp', 'one scheduler comes back');
$node->safe_psql('postgres', 'ALTER DATABASE tmp RENAME TO uno');

# With a long task: it runs again, uncharged, and nothing has failed.
my $task = long_task('uno', '');
my $pid = $node->safe_psql('uno', "SELECT pid FROM jadugar.running WHERE task_id = $task");
foreach my $round (1 .. 4)
{
	my $to = $round % 2 ? 'tmp' : 'uno';
	my $from = $round % 2 ? 'uno' : 'tmp';
	my $start = time();

	is($node->safe_psql('postgres', "ALTER DATABASE $from RENAME TO $to"), '', "RENAME with a running task, $round");
	cmp_ok(time() - $start, '<', 5, "RENAME with a running task is fast, $round");
	poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $task", '1', $to);
}
isnt($node->safe_psql('uno', "SELECT pid FROM jadugar.running WHERE task_id = $task"),
	$pid, 'another worker has the task');
is($node->safe_psql('uno', "SELECT attempt, crashes FROM jadugar_internal.task WHERE task_id = $task"),
	'0|0', 'the task was not charged');

# A role without the privilege disturbs nothing.
my $scheduler = wait_for_process($node, 'scheduler', 'uno');
$pid = $node->safe_psql('uno', "SELECT pid FROM jadugar.running WHERE task_id = $task");
foreach my $statement ('DROP DATABASE uno', 'ALTER DATABASE uno RENAME TO mine',
	'CREATE DATABASE mine TEMPLATE uno', 'ALTER DATABASE uno SET TABLESPACE other')
{
	like(psql_error($node, "SET ROLE bob; $statement"), qr/ERROR:/, "not allowed: $statement");
}
is($node->safe_psql('uno', "SELECT pid FROM jadugar.running WHERE task_id = $task"),
	$pid, 'not allowed: the worker continues');
is(wait_for_process($node, 'scheduler', 'uno'), $scheduler, 'not allowed: the scheduler continues');
$node->safe_psql('uno', "SELECT jadugar.cancel($task)");

# DROP, with running work, and right after the extension was created
long_task('two', '');
is($node->safe_psql('postgres', 'DROP DATABASE two'), '', 'DROP DATABASE with a running task');
foreach my $round (1 .. 3)
{
	create_extension($node, 'short');
	is($node->safe_psql('postgres', 'DROP DATABASE short'), '', "DROP DATABASE of a new one, $round");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type IN ('jadugar worker', 'jadugar scheduler') AND datname IS DISTINCT FROM 'uno'
			AND datname IS DISTINCT FROM 'copy'}),
	'0', 'no process of a dropped database is left');

# DROP EXTENSION while workers are idle, and while one is busy
sub no_process
{
	my ($db, $what) = @_;

	ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'jadugar %' AND datname = '$db'", '0'),
		$what);
	return;
}
run_one('uno', 'an idle worker is running');
is($node->safe_psql('uno', 'DROP EXTENSION jadugar'), '', 'DROP EXTENSION with an idle worker');
no_process('uno', 'all processes exit');
create_extension($node, 'uno');
run_one('uno', 'CREATE EXTENSION again, without a restart');

$task = long_task('uno', '');
$node->psql('uno', q{SET lock_timeout = '200ms'; DROP EXTENSION jadugar}, stderr => \my $stderr);
like($stderr, qr/lock timeout/, 'DROP EXTENSION waits for a running task');
is($node->safe_psql('uno', "SELECT jadugar.cancel($task)"), 't', 'the task that DROP EXTENSION waits for can be cancelled');
is($node->safe_psql('uno', 'DROP EXTENSION jadugar'), '', 'DROP EXTENSION succeeds when the task has ended');
no_process('uno', 'all processes exit again');
create_extension($node, 'uno');

create_extension($node, 'watch');
$task = long_task('uno', ", transaction => 'standalone'");
is($node->safe_psql('uno', 'DROP EXTENSION jadugar'), '', 'a standalone command holds no lock');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE backend_type = 'jadugar worker' AND datname = 'uno'});
no_process('uno', 'the worker of a standalone command exits after the command');
ok(poll($node, q{SELECT slots_used = (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar worker')
	FROM jadugar_internal._v_health()}, 't', 'watch'), 'and its slot is free');
$node->safe_psql('postgres', 'DROP DATABASE watch');
create_extension($node, 'uno');
run_one('uno', 'tasks run after CREATE EXTENSION');

# The switch
$task = long_task('uno', '');
$node->append_conf('postgresql.conf', 'jadugar.enabled = off');
$node->reload;
poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar scheduler'}, '0')
  or diag($node->safe_psql('postgres', q{SELECT * FROM pg_stat_activity WHERE backend_type LIKE 'jadugar %'}));
$node->safe_psql('uno', "SELECT jadugar.cancel($task)");
no_process('uno', 'jadugar.enabled = off: no process is left when the running task has ended');
$task = $node->safe_psql('uno', q{SELECT jadugar.enqueue('SELECT 1')});
is($node->safe_psql('uno', "SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = $task"),
	'pending|disabled', 'a task shows why it waits');
$node->append_conf('postgresql.conf', 'jadugar.enabled = on');
$node->reload;
ok(poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed', 'uno'), 'jadugar.enabled = on: tasks run again');

# A fast shutdown does not wait for tasks; they run again afterwards, uncharged.
$task = long_task('uno', '');
my $standalone = long_task('uno', q{, transaction => 'standalone'});
my $start = time();
$node->stop('fast');
cmp_ok(time() - $start, '<', 10, 'a fast shutdown does not hang');
$node->start;
poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id IN ($task, $standalone)", '2', 'uno');
is($node->safe_psql('uno', "SELECT attempt, crashes FROM jadugar_internal.task WHERE task_id IN ($task, $standalone) ORDER BY task_id"),
	"0|0\n1|0", 'a shutdown charges a standalone command and no transaction');
$node->safe_psql('uno', "SELECT jadugar.cancel($task), jadugar.cancel($standalone)");
poll($node, 'SELECT count(*) FROM jadugar.tasks', '0', 'uno');

# Two statements that need the database without sessions
my $first = $node->background_psql('postgres');
$first->query_safe('BEGIN; ALTER DATABASE uno RENAME TO tmp');
like(psql_error($node, q{SET lock_timeout = '1ms'; ALTER DATABASE uno RENAME TO other}),
	qr/lock timeout/, 'a second rename has to wait');
create_extension($node, 'round');    # the launcher has started schedulers since
ok(wait_for_process($node, 'scheduler', 'round'), 'the launcher works while a database is being renamed');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE classid = 'pg_database'::regclass AND NOT granted}),
	'0', 'the end of one command does not end the eviction by another');
$first->query_safe('ROLLBACK');
$first->quit;
run_one('uno', 'after the last command it works again');

# More databases than jadugar.max_databases
$node->safe_psql('postgres', 'DROP DATABASE copy');
$node->safe_psql('postgres', 'DROP DATABASE round');
$node->safe_psql('postgres', "CREATE DATABASE plain$_") foreach 1 .. 4;
$node->append_conf('postgresql.conf', 'jadugar.max_databases = 1');
my $log = log_offset($node);
$node->restart;
ok(wait_for_process($node, 'scheduler', 'uno'), 'one place: the database with the extension has it after a restart');
run_one('uno', 'one place: a task runs');
ok(wait_for_log($node, qr/jadugar has no room for \d+ databases of this server/, $log), 'one place: the log tells of it');
like(psql_error($node, 'CREATE EXTENSION jadugar', 'plain1'), qr/jadugar has no room for another database/,
	'one place: no second extension');

$node->append_conf('postgresql.conf', 'jadugar.max_databases = 3');
$node->restart;
foreach my $db (qw(plain3 plain4))
{
	is($node->safe_psql($db, 'CREATE EXTENSION jadugar'), '', "three places: $db");
	run_one($db, "three places: a task of $db runs");
}
like(psql_error($node, 'CREATE EXTENSION jadugar', 'plain2'), qr/jadugar has no room for another database/,
	'three places: no fourth extension');
$node->safe_psql('plain3', 'DROP EXTENSION jadugar');
no_process('plain3', 'three places: one is given back');
$node->safe_psql('plain2', q{BEGIN; CREATE EXTENSION jadugar; PREPARE TRANSACTION 'x'});
$node->safe_psql('plain1', q{BEGIN; SELECT 1; PREPARE TRANSACTION 'y'});
$node->safe_psql('plain1', q{ROLLBACK PREPARED 'y'});
$node->safe_psql('plain2', q{COMMIT PREPARED 'x'});
run_one('plain2', 'three places: given to a prepared transaction');

$node->append_conf('postgresql.conf', 'jadugar.max_databases = 2');
my @with = qw(uno plain2 plain4);
long_task($_, '') foreach @with;
$node->restart;
my $hints = q{SELECT count(*) FROM jadugar.health WHERE hint LIKE 'Raise jadugar.max_databases%'};
ok(poll($node, q{SELECT count(DISTINCT datname) FROM pg_stat_activity WHERE backend_type = 'jadugar scheduler' AND datname IN ('uno', 'plain2', 'plain4')}, '2'),
	'two places for three: two databases have a scheduler');
my ($without) = grep { $node->safe_psql($_, $hints) } @with;
ok($without, 'two places for three: health of the third says why it has none');
is($node->safe_psql($without, 'SELECT status, waiting_for FROM jadugar.tasks'),
	'pending|no_scheduler', 'two places for three: a task of the third shows why it waits');
foreach my $db (grep { $_ ne $without } @with)
{
	$node->safe_psql($db, 'SELECT jadugar.cancel(task_id) FROM jadugar.tasks');
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0', $db);
}
my ($other) = grep { $_ ne $without } @with;
$node->safe_psql($other, 'DROP EXTENSION jadugar');
run_one($without, 'two places for three: the third has a scheduler when there is room');
$node->stop;
done_testing();
