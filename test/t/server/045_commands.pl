# Texts of commands are kept while something refers to them: a task, a schedule,
# a flow or the history.  Days pass immediately, as jadugar.clock_offset moves.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main', -faults => 1, 'jadugar.history_retention' => '2d', 'jadugar.clock_offset' => 0,
	'jadugar.max_workers' => 4);
my $day = 0;
create_extension($node);
sub sql
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

sub days_pass
{
	my ($n) = @_;

	$day += $n;
	$node->append_conf('postgresql.conf', 'jadugar.clock_offset = ' . 86400 * $day);
	$node->reload;
	return;
}

sub done
{
	poll($node, q{SELECT count(*) FROM jadugar.tasks WHERE status NOT IN ('scheduled', 'paused')}, '0');
	return;
}

# n different texts, each used once
sub literals
{
	my ($first, $last) = @_;

	sql("SELECT count(jadugar.enqueue('SELECT ' || n)) FROM generate_series($first, $last) n");
	return;
}

my $size = q{SELECT count(*) FROM jadugar_internal.command};
my $marked = q{SELECT count(*) FROM jadugar_internal.command WHERE unused_since IS NOT NULL};

# texts that are referred to and missing, or thought to be unused
my $dangling = q{
	SELECT coalesce(string_agg(x.holder || ' ' || x.command_id, ', '), 'none') FROM (
		SELECT 'task' AS holder, command_id FROM jadugar_internal.task
		UNION ALL SELECT 'schedule', command_id FROM jadugar_internal.schedule
		UNION ALL SELECT 'plan', (e ->> 'command_id')::bigint
			FROM jadugar_internal.flow_version, jsonb_array_elements(plan) e WHERE e ->> 'command_id' IS NOT NULL
		UNION ALL SELECT 'history', command_id FROM jadugar_internal.attempt) x
	LEFT JOIN jadugar_internal.command c USING (command_id)
	WHERE c.command_id IS NULL OR (holder <> 'history' AND unused_since IS NOT NULL)};

# Everything that can refer to a text, after the sweep of a new scheduler
sql(q{SELECT jadugar.enqueue('SELECT 0')});
done();
poll($node, q{SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type ~ '^jadugar scheduler'});
literals(1, 1000);
sql(q{SELECT jadugar.schedule('kept', '0 3 1 1 *', 'SELECT ''of a schedule''')});
sql(q{SELECT jadugar.create_flow('kept', jadugar.step('a', 'SELECT ''of a step''', compensate => 'SELECT ''of a compensation'''))});
my $delayed = sql(q{SELECT jadugar.enqueue('SELECT ''of a task''', delay => '30 days')});
my $failed = sql(q{SELECT jadugar.enqueue('SELECT 1 / 0')});
done();
cmp_ok(sql($size), '>', 1000, 'each text has a row');

# A transaction that has found an old row keeps a sweep from going on, prepared
# or not.  Its own text is used once more before it ends.
sql(q{BEGIN; SELECT jadugar.enqueue('SELECT ''prepared'''); PREPARE TRANSACTION 'old'});
my $session = $node->background_psql('postgres');
$session->query_safe(q{SELECT jadugar.enqueue('SELECT 17')});
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$session->query_safe(q{SELECT jadugar.enqueue('SELECT 17')});
days_pass(1);
poll($node, 'SELECT command_floor > 1000 FROM jadugar_internal.here');
is(sql($marked), '0', 'nothing is marked while transactions are open that have begun before');
literals(1, 20);
# a table that it has not used: it learns that its cache is stale
$session->query_safe('SELECT count(*) FROM pg_aggregate');
$session->query_safe(q{SELECT jadugar.enqueue('SELECT 18')});
$session->query_safe('COMMIT');
sql(q{COMMIT PREPARED 'old'});
done();
poll($node, qq{SELECT ($marked) > 900});
is(sql($dangling), 'none', 'whatever is in use is not marked');
is(sql(q{SELECT count(*) FROM jadugar.history WHERE command IS NULL}), '0', 'the history has all texts');
$session->query_safe(q{SELECT jadugar.enqueue('SELECT 18', delay => '20 days')});
is(sql($dangling), 'none', 'a session does not remember a marked row from its old snapshot');
$session->quit;

# A retry from the history does not bring back a marked row
ok(poll($node, qq{SELECT unused_since IS NOT NULL FROM jadugar_internal.command c JOIN jadugar_internal.attempt a USING (command_id) WHERE task_id = $failed}),
	'the text of a task in the history is marked');
sql("SELECT jadugar.retry_task($failed)");
is(sql($dangling), 'none', 'the task that is retried has a row of its own');
done();

# Sessions use the same texts all the time while they are marked and deleted
foreach my $round (1 .. 8)
{
	my @sessions = map { $node->background_psql('postgres') } 1 .. 3;

	days_pass(1);
	foreach my $n (1 .. 4)
	{
		foreach my $s (@sessions)
		{
			my $first = 300 * $round + 50 * $n;

			$s->query_safe("SELECT count(jadugar.enqueue('SELECT ' || n)) FROM generate_series($first, $first + 100) n");
		}
	}
	$_->quit foreach @sessions;
	done();
}
is(sql($dangling), 'none', 'after days of use nothing dangles');
is(sql(q{SELECT count(*) FROM jadugar.history WHERE status <> 'completed' AND sqlstate <> '22012'}), '0', 'all tasks have completed');

# Retention: what is not in the history any more goes
cmp_ok(sql($size), '>', 1000, 'the history refers to many texts');
poll_sub('the table gets smaller', sub {
	days_pass(1);
	literals(1, 110);
	done();
	return sql($size) < 1000;
});
is(sql($dangling), 'none', 'after retention nothing dangles');
is(sql(q{SELECT string_agg(text, ', ' ORDER BY text) FROM jadugar_internal.command WHERE text LIKE 'SELECT ''of%'}),
	q{SELECT 'of a compensation', SELECT 'of a schedule', SELECT 'of a step', SELECT 'of a task'}, 'what is in use stays');
is(sql("SELECT command FROM jadugar.tasks WHERE task_id = $delayed"), q{SELECT 'of a task'}, 'a task that waits has its text');

# A copy of the database finds no row that was marked, and keeps what it needs
my $dump = $node->data_dir . '/commands.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump');
sql('CREATE DATABASE copy');
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'restore');
$node->safe_psql('copy', 'SELECT jadugar.adopt()');
$node->safe_psql('copy', q{SELECT count(jadugar.enqueue('SELECT ' || n, delay => '20 days')) FROM generate_series(1, 50) n});
is($node->safe_psql('copy', $dangling), 'none', 'in a restored copy nothing dangles');

# Nothing refers to any text: all go
sql(q{SELECT jadugar.unschedule('kept'), jadugar.drop_flow('kept'), jadugar.cancel_tasks()});
ok(poll_sub('the table gets empty', sub {
		days_pass(1);
		done();
		return sql($size) < 100;
}), 'what nothing refers to goes, but for the last generation');
$node->stop;
done_testing();
