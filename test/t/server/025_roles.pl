# Roles that cannot log in or were dropped, and servers without a free worker
# process: waiting tasks show the reason, other tasks run, and nothing loops.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', 'jadugar.max_workers' => 4);
create_extension($node);
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN;
	CREATE ROLE carol LOGIN;
	CREATE ROLE group_role NOLOGIN;
	CREATE TABLE effect (who name DEFAULT session_user);
	GRANT ALL ON effect TO PUBLIC;
	SELECT jadugar.grant_access(r, 'user') FROM unnest('{alice, bob, carol, group_role}'::text[]) r});

sub enqueue
{
	my ($role, $command) = @_;

	return $node->safe_psql('postgres', "SELECT jadugar.enqueue('$command')",
		extra_params => [ '-U', $role ]);
}

sub completed
{
	my ($task) = @_;

	return poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed');
}

# The number of lines in the log that are not statements.
sub noise
{
	my ($offset) = @_;

	return scalar grep { /LOG|WARNING|ERROR|FATAL/ && !/statement:|parameter/ }
	  split /\n/, slurp_file($node->logfile, $offset);
}

# Without LOGIN from the start
like(psql_error($node, q{SET ROLE group_role; SELECT jadugar.enqueue('SELECT 1')}),
	qr/ERROR:.*HINT:/s, 'a role that may not log in is refused');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jadugar_internal.task'), '0', 'a refused task leaves nothing');

# The role loses LOGIN while its worker is idle and tasks wait
my $insert = 'INSERT INTO effect DEFAULT VALUES';
ok(completed(enqueue('alice', $insert)), 'an idle worker of alice is running');
$node->safe_psql('postgres', q{SELECT jadugar.pause_queue('default')});
my $task = enqueue('alice', $insert);
$node->safe_psql('postgres', q{SELECT jadugar.schedule('tick', 'every 1 second', 'SELECT 1')},
	extra_params => [ '-U', 'alice' ]);
my $offset = log_offset($node);
$node->safe_psql('postgres', q{ALTER ROLE alice NOLOGIN; SELECT jadugar.resume_queue('default')});
ok(completed(enqueue('bob', $insert)), "tasks of other roles run");
ok(poll($node, "SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = $task", 'pending|owner_nologin'),
	'the task of a role without LOGIN shows why it waits');
like($node->safe_psql('postgres', q{SELECT detail || hint FROM jadugar.health WHERE what = 'owner_nologin'}),
	qr/role "alice" .* may not log in.*LOGIN/, 'health shows it, too');
ok(poll($node, q{SELECT count(*) > 0 FROM jadugar.history WHERE schedule = 'tick' AND status = 'skipped' AND reason = 'owner_nologin'}),
	'occurrences of its schedule are recorded');
ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar worker' AND usename = 'alice'}, '0'),
	'the worker of the role has exited');
is($node->safe_psql('postgres', q{SELECT count(*) FROM effect WHERE who = 'alice'}), '1', 'the task of the role has not run');
ok(completed(enqueue('bob', $insert)), "tasks of other roles still run");
cmp_ok(noise($offset), '<', 10, 'the log is not flooded');
$node->safe_psql('postgres', 'ALTER ROLE alice LOGIN');
ok(completed($task), 'with LOGIN again, the task runs');
ok(poll($node, q{SELECT count(*) > 0 FROM jadugar.history WHERE schedule = 'tick' AND status = 'completed'}),
	'with LOGIN again, the schedule fires');
$node->safe_psql('postgres', q{SELECT jadugar.clear_schedules('alice')});

# The role may not connect to the database
$node->safe_psql('postgres', q{SELECT jadugar.pause_queue('default')});
$task = $node->safe_psql('postgres', "SELECT jadugar.enqueue('$insert', owner => 'alice')");
$node->safe_psql('postgres', q{SELECT jadugar.schedule('connect', 'every 1 second', 'SELECT 1', owner => 'alice')});
$node->safe_psql('postgres', q{REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
	GRANT CONNECT ON DATABASE postgres TO bob});
like(psql_error($node, $_), qr/ERROR:  role "alice" cannot own work because it may not connect.*HINT:.*GRANT CONNECT ON DATABASE/s,
	'work for a role that may not connect is refused')
  foreach q{SELECT jadugar.enqueue('SELECT 1', owner => 'alice')}, q{SELECT jadugar.schedule('x', '@daily', 'SELECT 1', owner => 'alice')};
$offset = log_offset($node);
$node->safe_psql('postgres', q{SELECT jadugar.resume_queue('default')});
ok(completed(enqueue('bob', $insert)), 'tasks of other roles run');
is($node->safe_psql('postgres', "SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = $task"), 'pending|owner_noconnect',
	'the task of a role that may not connect shows why it waits');
like($node->safe_psql('postgres', q{SELECT detail || hint FROM jadugar.health WHERE what = 'owner_noconnect'}),
	qr/role "alice" .* may not connect.*GRANT CONNECT/, 'health shows it, too');
ok(poll($node, q{SELECT count(*) > 0 FROM jadugar.history WHERE schedule = 'connect' AND status = 'skipped' AND reason = 'owner_noconnect'}),
	'occurrences of its schedule are recorded');
like($node->safe_psql('postgres', q{SELECT jadugar.explain_schedule('connect', owner => 'alice')}), qr/may not connect/,
	'explain_schedule() shows it');
cmp_ok(noise($offset), '<', 10, 'the log is not flooded');
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
ok(completed($task), 'the task runs when the role may connect');
ok(poll($node, q{SELECT count(*) > 0 FROM jadugar.history WHERE schedule = 'connect' AND status = 'completed'}),
	'the schedule fires when the role may connect');
$node->safe_psql('postgres', q{SELECT jadugar.unschedule('connect', owner => 'alice')});

# An expired password and a limit of connections do not concern workers.
$node->safe_psql('postgres', q{ALTER ROLE alice VALID UNTIL '2001-01-01' CONNECTION LIMIT 0});
$node->safe_psql('postgres', q{SELECT jadugar.restart_workers('alice')});
ok(completed($node->safe_psql('postgres', "SELECT jadugar.enqueue('$insert', owner => 'alice')")),
	'VALID UNTIL and CONNECTION LIMIT do not hold back work');
$node->safe_psql('postgres', q{ALTER ROLE alice VALID UNTIL 'infinity' CONNECTION LIMIT -1});

# The role is dropped, with tasks and a schedule
ok(completed(enqueue('carol', $insert)), 'an idle worker of carol is running');
$node->safe_psql('postgres', q{SELECT jadugar.pause_queue('default')});
$task = enqueue('carol', $insert);
my $later = $node->safe_psql('postgres', "SELECT jadugar.enqueue('$insert', delay => '1 hour')",
	extra_params => [ '-U', 'carol' ]);
$node->safe_psql('postgres', q{SELECT jadugar.schedule('tock', 'every 1 second', 'SELECT 1')},
	extra_params => [ '-U', 'carol' ]);
$offset = log_offset($node);
$node->safe_psql('postgres', q{REASSIGN OWNED BY carol TO bob; DROP OWNED BY carol; DROP ROLE carol;
	SELECT jadugar.resume_queue('default')});
ok(poll($node, "SELECT string_agg(concat_ws(' ', status, reason, final), ', ' ORDER BY task_id) FROM jadugar.history WHERE task_id IN ($task, $later)",
		'failed owner_missing t, failed owner_missing t'), 'the tasks of a dropped role have failed and show why');
ok(poll($node, q{SELECT count(*) > 0 FROM jadugar.history WHERE schedule = 'tock' AND status = 'skipped' AND reason = 'owner_missing'}),
	'the occurrences of its schedule are recorded');
ok(completed(enqueue('bob', $insert)), 'tasks of other roles run');
ok(poll($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'jadugar worker' AND usename IS NULL}, '0'),
	'the worker of the role has exited');
is($node->safe_psql('postgres', q{SELECT count(*) FROM jadugar.health WHERE what = 'owner_missing'}),
	'1', 'health shows the schedule of a dropped role');
cmp_ok(noise($offset), '<', 10, 'the log is not flooded');
# The notice of what a role leaves does not hold up the statement, nor make it fail.
$node->safe_psql('postgres', q{CREATE ROLE carol LOGIN; CREATE ROLE dave LOGIN; SELECT jadugar.grant_access(r) FROM unnest('{carol, dave}'::text[]) r;
	SELECT jadugar.enqueue('SELECT 1', delay => '1 day', owner => r) FROM unnest('{carol, dave}'::text[]) r});
sub left_by
{
	my ($statement) = @_;
	my $rc = $node->psql('postgres', "SET statement_timeout = '30 s'; $statement", stderr => \my $notice);

	return "$rc $notice";
}
$node->safe_psql('postgres', q{BEGIN; LOCK TABLE jadugar_internal.schedule; PREPARE TRANSACTION 'lock'});
is(left_by('DROP OWNED BY carol'), '0 ', 'DROP OWNED does not wait for a table of jadugar');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'lock'});
like(left_by('DROP OWNED BY carol'), qr/^0 .*NOTICE:  role "carol" still owns/s, 'without the lock there is a notice');
$node->safe_psql('postgres', 'ALTER TABLE jadugar_internal.flow_draft RENAME TO elsewhere');
is(left_by('DROP ROLE carol'), '0 ', 'DROP ROLE does not fail if a table of jadugar cannot be read');
$node->safe_psql('postgres', 'ALTER TABLE jadugar_internal.elsewhere RENAME TO flow_draft');
like(left_by('BEGIN; DROP OWNED BY dave; DROP ROLE dave; COMMIT'), qr/^0 .*NOTICE:  role "dave" has left/s, 'in a transaction, too');

# The owner of the extension is a superuser no more: views and work go on.
$node->safe_psql('postgres', 'CREATE ROLE installer SUPERUSER LOGIN; CREATE DATABASE installed OWNER installer');
$node->safe_psql('installed', 'CREATE EXTENSION jadugar', extra_params => [ '-U', 'installer' ]);
$node->safe_psql('postgres', 'ALTER ROLE installer NOSUPERUSER');
my $views = q{SELECT string_agg(format('SELECT count(*) FROM jadugar.%I', c.relname), '; ') FROM pg_class c
	WHERE c.relnamespace = 'jadugar'::regnamespace AND c.relkind = 'v'};
is(psql_error($node, $node->safe_psql('installed', $views), 'installed'), '', 'views do not need a superuser');
$task = $node->safe_psql('installed', q{SELECT jadugar.enqueue('SELECT 1', owner => 'bob')});
ok(poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed', 'installed'), 'work does not, either');
$node->stop;

# max_worker_processes is exhausted: launchers, scheduler, one worker.
my $small = new_cluster('small', max_worker_processes => 4, 'jadugar.max_workers' => 3);
create_extension($small);
$small->safe_psql('postgres', 'CREATE ROLE alice LOGIN');
$small->safe_psql('postgres', q{SELECT jadugar.grant_access('alice', 'user')});
my $long = $small->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT pg_sleep(3600)')});    # waits-for-time: cancelled
poll($small, 'SELECT count(*) FROM jadugar.running', '1');
$offset = log_offset($small);
my $waits = $small->safe_psql('postgres', q{SELECT jadugar.enqueue('SELECT 1')},
	extra_params => [ '-U', 'alice' ]);
ok(poll($small, "SELECT status, waiting_for FROM jadugar.tasks WHERE task_id = $waits", 'pending|no_worker'),
	'no process is free: the task shows it');
like($small->safe_psql('postgres', q{SELECT severity || ' ' || hint FROM jadugar.health WHERE what = 'workers'}),
	qr/^warning Raise max_worker_processes/, 'health shows it, too, and that worker slots are not the reason');
# The start has been tried more than once.
$small->safe_psql('postgres', 'SELECT pg_sleep(3)');    # waits-for-time: a loop would show in the log
is($small->safe_psql('postgres', "SELECT status FROM jadugar.tasks WHERE task_id = $waits"),
	'pending', 'no process is free: the task still waits');
my @lines = grep { !/statement:/ } split /\n/, slurp_file($small->logfile, $offset);
cmp_ok(scalar(@lines), '<', 10, 'the log is not flooded') or diag(join("\n", @lines));
$small->safe_psql('postgres', "SELECT jadugar.cancel($long)");
ok(poll($small, "SELECT status FROM jadugar.get_task($waits)", 'completed'), 'the task runs when a process is free');
$small->stop;
done_testing();
