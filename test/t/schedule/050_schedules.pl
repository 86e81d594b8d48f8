# Schedules across restarts, clocks that move, locked rows, and changed rules
# of time zones.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $node = new_cluster('main');
create_extension($node);

# Moves the clock of jadugar ahead by that number of seconds.
my $offset = 0;
sub advance
{
	my ($seconds, $how) = @_;

	$offset += $seconds;
	$node->append_conf('postgresql.conf', "jadugar.clock_offset = $offset");
	$node->$how;
	return;
}

# @startup
$node->safe_psql('postgres',
	"SELECT jadugar.schedule('boot', '\@startup', 'SELECT 1'), jadugar.schedule('tick', 'every 1 hour', 'SELECT 1')");
advance(3601, 'reload');
ok(wait_for_runs($node, 'tick', 1), 'a clock that moves forward makes a schedule due');
is(schedule_history($node, 'boot'), '', '@startup does not fire before the next start');
$node->restart;
ok(wait_for_runs($node, 'boot', 1), '@startup fires when the server starts');
kill_process(wait_for_process($node, 'scheduler'), 'KILL');
poll($node, 'SELECT NOT pg_is_in_recovery()');
advance(3600, 'reload');
ok(wait_for_runs($node, 'tick', 2), 'the next scheduler continues');
is(schedule_history($node, 'boot'), 'completed', '@startup does not fire after a crash');
$node->safe_psql('postgres', "SELECT jadugar.pause_schedule('boot')");
$node->restart;
poll($node, "SELECT missed = 1 FROM jadugar.schedules WHERE name = 'boot'");
is(schedule_history($node, 'boot'), "completed\nskipped paused 1", '@startup of a paused schedule is recorded');
$node->safe_psql('postgres', 'SELECT jadugar.clear_schedules()');

# The server is down during five occurrences
foreach my $misfire (qw(skip once all))
{
	$node->safe_psql('postgres', qq{
		SELECT jadugar.schedule('$misfire', 'every 1 hour', 'SELECT 1', misfire => '$misfire', misfire_grace => '1 day')});
}
$node->safe_psql('postgres', qq{
	SELECT jadugar.schedule('grace', 'every 1 hour', 'SELECT 1', misfire => 'all', misfire_grace => '100 minutes')});
$node->stop;
advance(5 * 3600 + 1800, 'start');
poll($node, 'SELECT bool_and(runs + missed = 5) FROM jadugar.schedules');
poll($node, 'SELECT count(*) = 0 FROM jadugar.tasks');
is(schedule_history($node, 'skip'), 'skipped misfire 5', 'misfire skip');
is(schedule_history($node, 'once'), "skipped misfire 4\ncompleted", 'misfire once');
is(schedule_history($node, 'all'), join("\n", ('completed') x 5), 'misfire all');
is(schedule_history($node, 'grace'), "skipped grace 3\ncompleted\ncompleted", 'misfire all, within the grace');
is( $node->safe_psql('postgres', q{
	SELECT string_agg(DISTINCT to_char(scheduled_for - lag, 'HH24:MI:SS'), ' ') FROM (
		SELECT scheduled_for, lag(scheduled_for) OVER (ORDER BY scheduled_for) AS lag
		FROM jadugar.history WHERE schedule = 'all') h WHERE lag IS NOT NULL}),
	'01:00:00', 'an interval does not drift');

# A clock that goes back does not repeat an occurrence
advance(-2 * 3600, 'reload');
$node->safe_psql('postgres', "SELECT jadugar.schedule('now', jadugar.next_time('* * * * * *')::jadugar.timing, 'SELECT 1')");
ok(wait_for_runs($node, 'now', 1), 'the scheduler continues after the clock went back');
is(schedule_history($node, 'all'), join("\n", ('completed') x 5), 'no occurrence fires twice after the clock went back');
advance(2 * 3600, 'reload');
$node->safe_psql('postgres', 'SELECT jadugar.clear_schedules()');

# A row that a session has locked
$node->safe_psql('postgres', q{
	SELECT jadugar.schedule('locked', 'every 1 hour', 'SELECT 1'), jadugar.schedule('free', 'every 1 hour', 'SELECT 1')});
$node->safe_psql('postgres', q{
	BEGIN;
	SELECT schedule_id FROM jadugar_internal.schedule WHERE name = 'locked' FOR UPDATE;
	PREPARE TRANSACTION 'holder'});
advance(3600, 'reload');
ok(wait_for_runs($node, 'free', 1), 'a locked schedule does not delay others');
is(schedule_history($node, 'locked'), '', 'the locked schedule waits');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'holder'");
ok(wait_for_runs($node, 'locked', 1), 'the locked schedule fires when it is unlocked');
$node->safe_psql('postgres', 'SELECT jadugar.clear_schedules()');

# A task ends while a transaction drops its schedule, and leaves statistics
my $locker = $node->background_psql('postgres');
$locker->query_safe('SELECT pg_advisory_lock(7)');
$node->safe_psql('postgres', q{SELECT jadugar.schedule('dropped', 'manual', 'SELECT pg_advisory_xact_lock(7)')});
my $task = $node->safe_psql('postgres', q{SELECT jadugar.run_now('dropped')});
wait_running($node, $task);
my $dropper = $node->background_psql('postgres');
$dropper->query_safe(q{BEGIN; SELECT jadugar.unschedule('dropped')});
$locker->quit;
poll($node, "SELECT status FROM jadugar.get_task($task)", 'completed');
$dropper->query_safe('COMMIT');
$dropper->quit;
my $without = 'SELECT count(*) FROM jadugar_internal.schedule_stat t WHERE NOT EXISTS (SELECT FROM jadugar_internal.schedule s WHERE s.schedule_id = t.schedule_id)';
is($node->safe_psql('postgres', $without), '1', 'statistics without a schedule');
advance(3601, 'reload');
ok(poll($node, $without, '0'), 'the scheduler deletes them');
advance(-3601, 'reload');

# Rules of a time zone
$node->safe_psql('postgres',
	"SELECT jadugar.schedule('zoned', '0 3 * * *', 'SELECT 1', timezone => 'Asia/Kolkata'), jadugar.schedule('other', '0 3 * * *', 'SELECT 1', timezone => 'Asia/Tokyo')");
$node->restart;
poll($node, 'SELECT count(*) >= 2 FROM jadugar_internal.zone');
$node->safe_psql('postgres', q{
	UPDATE jadugar_internal.schedule SET next_run_at = next_run_at + interval '7 minutes';
	UPDATE jadugar_internal.zone SET fingerprint = 0 WHERE name = 'Asia/Kolkata'});
$node->restart;
poll($node, "SELECT fingerprint <> 0 FROM jadugar_internal.zone WHERE name = 'Asia/Kolkata'");
is($node->safe_psql('postgres', q{
	SELECT name, to_char(next_run_at AT TIME ZONE timezone, 'HH24:MI') FROM jadugar_internal.schedule ORDER BY 1}),
	"other|03:07\nzoned|03:00", 'next instants are recomputed when the rules of a zone have changed');
$node->stop;

done_testing();
