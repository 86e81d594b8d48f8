# Decisions that depend on the clock: occurrences that were due while nothing could
# run, days on which the clocks change, the age of the history.  The clock of
# jadugar is moved by jadugar.clock_offset, so that hours pass immediately.
use strict;
use warnings;

use JadugarTest;
use Test::More;
use Time::Local qw(timegm);

sub offset_of
{
	my ($y, $m, $d, $h, $min) = split /[- :]/, shift;

	return timegm(0, $min, $h, $d, $m - 1, $y) - time();
}

# Checks run some time after the clock was moved: a generous limit for "on time".
my $node = new_cluster('main', -faults => 1,
	'jadugar.clock_offset' => offset_of('2026-10-10 00:20'),
	'jadugar.misfire_threshold' => '60s',
	'jadugar.history_retention' => '1000d');
create_extension($node);

# Sets the clock to a timestamp in UTC.
sub now_is
{
	my ($when, $how) = @_;
	my $offset = offset_of($when);

	$node->append_conf('postgresql.conf', "jadugar.clock_offset = $offset");
	$node->$how;
	poll($node, "SELECT extract(epoch FROM current_setting('jadugar.clock_offset')::interval)::int", $offset);
	return;
}

sub sql
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

# The history of a schedule, one line per row.
sub history
{
	my ($name) = @_;

	return sql(qq{
		SELECT concat_ws(' ', status, reason, occurrences, to_char(scheduled_for, 'HH24:MI'), to_char(scheduled_until, '- HH24:MI'))
		FROM jadugar.history WHERE schedule = '$name' ORDER BY scheduled_for});
}

# Waits until every schedule has handled that number of occurrences.
sub settled
{
	my ($n) = @_;

	poll($node, "SELECT DISTINCT runs + missed FROM jadugar.schedules", $n);
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
	return;
}

sub completed
{
	my ($what) = @_;
	my $id = sql("SELECT jadugar.enqueue('SELECT 1')");

	poll($node, "SELECT status FROM jadugar.history WHERE task_id = $id", 'completed');
	return pass("$what: tasks run");
}

# ran(FROM, TO): the lines of an hourly schedule that missed nothing
sub ran
{
	my ($from, $to) = @_;

	return map { sprintf 'completed %02d:00', $_ } $from .. $to;
}

sub lines
{
	return join("\n", @_);
}

# The server is down during five occurrences
my %down = (
	skip_large => [ 'skip', '1 day', 'skipped misfire 5 01:00 - 05:00' ],
	skip_small => [ 'skip', '10 minutes', 'skipped misfire 5 01:00 - 05:00' ],
	once_large => [ 'once', '1 day', 'skipped misfire 4 01:00 - 04:00', ran(5, 5) ],
	once_small => [ 'once', '10 minutes', 'skipped grace 5 01:00 - 05:00' ],
	all_large => [ 'all', '1 day', ran(1, 5) ],
	all_middle => [ 'all', '150 minutes', 'skipped grace 2 01:00 - 02:00', ran(3, 5) ],
	all_small => [ 'all', '10 minutes', 'skipped grace 5 01:00 - 05:00' ]);
foreach my $name (sort keys %down)
{
	my ($misfire, $grace) = @{ $down{$name} };

	sql("SELECT jadugar.schedule('$name', '0 * * * *', 'SELECT 1', timezone => 'UTC', misfire => '$misfire', misfire_grace => '$grace')");
}
is(sql('SELECT DISTINCT next_run_at FROM jadugar.schedules'), '2026-10-10 01:00:00+00', 'the clock has been moved');
$node->stop;
now_is('2026-10-10 05:20', 'start');
settled(5);
foreach my $name (sort keys %down)
{
	my ($misfire, $grace, @expected) = @{ $down{$name} };

	is(history($name), lines(@expected), "five missed occurrences, misfire $misfire, grace $grace");
}
is(sql('SELECT DISTINCT next_run_at FROM jadugar.schedules'), '2026-10-10 06:00:00+00', 'the sixth occurrence is the next one of all schedules');
now_is('2026-10-10 06:00', 'reload');
settled(6);
foreach my $name (sort keys %down)
{
	my ($misfire, $grace, @expected) = @{ $down{$name} };

	is(history($name), lines(@expected, ran(6, 6)), "on time again, misfire $misfire, grace $grace");
}
sql('SELECT jadugar.clear_schedules()');

# Everything is paused
sub three_policies
{
	sql("SELECT jadugar.schedule('$_', '0 * * * *', 'SELECT 1', timezone => 'UTC', misfire => '$_', misfire_grace => '1 day')")
	  foreach qw(skip once all);
	sql("DELETE FROM jadugar_internal.attempt WHERE schedule IN ('skip', 'once', 'all')");
	return;
}
three_policies();
sql("SELECT jadugar.pause_all('to see what becomes of it')");
my $waiting = sql("SELECT jadugar.enqueue('SELECT 1', delay => '10 minutes')");
now_is('2026-10-10 07:00', 'reload');
now_is('2026-10-10 11:20', 'reload');
poll($node, "SELECT state FROM jadugar_internal.task WHERE task_id = $waiting", 'r');
is(sql('SELECT sum(runs + missed), count(*) FROM jadugar.schedules'), '0|3', 'pause_all: no schedule fires');
is(sql("SELECT status FROM jadugar.get_task($waiting)"), 'pending', 'pause_all: no task runs');
sql('SELECT jadugar.resume_all()');
settled(5);
is(history('skip'), 'skipped misfire 5 07:00 - 11:00', 'resume_all: misfire skip');
is(history('once'), lines('skipped misfire 4 07:00 - 10:00', ran(11, 11)), 'resume_all: misfire once');
is(history('all'), lines(ran(7, 11)), 'resume_all: misfire all');
is(sql("SELECT status FROM jadugar.get_task($waiting)"), 'completed', 'resume_all: tasks run');
sql('SELECT jadugar.clear_schedules()');

# ... until a timestamp
three_policies();
sql("SELECT jadugar.pause_all(until => '2026-10-10 14:30+00')");
now_is('2026-10-10 14:20', 'reload');
$waiting = sql("SELECT jadugar.enqueue('SELECT 1', delay => '1 minute')");
now_is('2026-10-10 14:22', 'reload');
poll($node, "SELECT state FROM jadugar_internal.task WHERE task_id = $waiting", 'r');
is(sql('SELECT sum(runs + missed) FROM jadugar.schedules'), '0', 'pause_all until: no schedule fires before');
now_is('2026-10-10 14:31', 'reload');
settled(3);
is(history('all'), lines(ran(12, 14)), 'pause_all until: it ends by itself');
sql('SELECT jadugar.clear_schedules()');

# One schedule is paused
three_policies();
sql("SELECT jadugar.schedule('other', '0 * * * *', 'SELECT 1', timezone => 'UTC', misfire => 'all', misfire_grace => '1 day')");
sql("SELECT jadugar.pause_schedule(name) FROM jadugar.schedules WHERE name <> 'other'");
now_is('2026-10-10 15:00', 'reload');
now_is('2026-10-10 17:30', 'reload');
poll($node, "SELECT completed FROM jadugar.schedules WHERE name = 'other'", '3');
is(sql("SELECT DISTINCT runs + missed FROM jadugar.schedules WHERE name <> 'other'"), '0', 'paused schedules do not fire');
sql("SELECT jadugar.resume_schedule(name) FROM jadugar.schedules WHERE name <> 'other'");
is(history($_), 'skipped paused 3 15:00 - 17:00', "resume_schedule: misfire $_") foreach qw(skip once all);
is(sql('SELECT DISTINCT next_run_at FROM jadugar.schedules'), '2026-10-10 18:00:00+00', 'resume_schedule: the next instant is ahead');
now_is('2026-10-10 18:00', 'reload');
settled(4);
is(history($_), lines('skipped paused 3 15:00 - 17:00', ran(18, 18)), "and it fires then: misfire $_") foreach qw(skip once all);
sql('SELECT jadugar.clear_schedules()');

# Clocks go back: 02:00 EDT is 01:00 EST, 06:00 in UTC
sub new_york
{
	my ($first) = @_;
	my %timing = (hourly => '0 * * * *', half_one => '30 1 * * *', half_two => '30 2 * * *', three => '0 3 * * *');

	sql("SELECT jadugar.schedule('$_', '$timing{$_}', 'SELECT 1', timezone => 'America/New_York', misfire => 'all', misfire_grace => '1 day')")
	  foreach keys %timing;
	sql("SELECT jadugar.schedule('daily', 'every 1 day', 'SELECT 1', timezone => 'America/New_York', starts_at => '$first', misfire_grace => '1 day')");
	sql("DELETE FROM jadugar_internal.attempt");
	return;
}

# Occurrences that have run, and the next one, in UTC
sub fired
{
	poll($node, 'SELECT count(*) FROM jadugar.schedules WHERE next_run_at <= now() + ' . q{current_setting('jadugar.clock_offset')::interval}, '0');
	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
	return sql(q{
		SELECT s.name || ' ' || COALESCE(h.at, '') || ' > ' || to_char(s.next_run_at, 'DD HH24:MI')
		FROM jadugar.schedules s LEFT JOIN (
			SELECT schedule, string_agg(to_char(scheduled_for, 'HH24:MI') || CASE WHEN status <> 'completed' THEN ' ' || status ELSE '' END,
				' ' ORDER BY scheduled_for) AS at
			FROM jadugar.history GROUP BY 1) h ON h.schedule = s.name
		ORDER BY s.name});
}
now_is('2026-11-01 03:30', 'reload');
new_york('2026-10-31 23:45-04');
now_is('2026-11-01 05:40', 'reload');
is(fired(), lines('daily 03:45 > 02 04:45', 'half_one 05:30 > 02 06:30', 'half_two  > 01 07:30', 'hourly 04:00 05:00 > 01 06:00', 'three  > 01 08:00'),
	'autumn, first pass of the hour');
now_is('2026-11-01 06:40', 'reload');
is(fired(), lines('daily 03:45 > 02 04:45', 'half_one 05:30 > 02 06:30', 'half_two  > 01 07:30', 'hourly 04:00 05:00 06:00 > 01 07:00', 'three  > 01 08:00'),
	'autumn, second pass of the hour');
now_is('2026-11-01 08:30', 'reload');
is(fired(), lines('daily 03:45 > 02 04:45', 'half_one 05:30 > 02 06:30', 'half_two 07:30 > 02 07:30',
		'hourly 04:00 05:00 06:00 07:00 08:00 > 01 09:00', 'three 08:00 > 02 08:00'),
	'autumn, afterwards');
sql('SELECT jadugar.clear_schedules()');

# Clocks go forward: 02:00 EST is 03:00 EDT, 07:00 in UTC
now_is('2027-03-14 04:30', 'reload');
new_york('2027-03-13 23:45-05');
now_is('2027-03-14 06:50', 'reload');
is(fired(), lines('daily 04:45 > 15 03:45', 'half_one 06:30 > 15 05:30', 'half_two  > 14 07:00', 'hourly 05:00 06:00 > 14 07:00', 'three  > 14 07:00'),
	'spring, before the gap');
now_is('2027-03-14 08:30', 'reload');
is(fired(), lines('daily 04:45 > 15 03:45', 'half_one 06:30 > 15 05:30', 'half_two 07:00 > 15 06:30',
		'hourly 05:00 06:00 07:00 08:00 > 14 09:00', 'three 07:00 > 15 07:00'),
	'spring, after the gap');
sql('SELECT jadugar.clear_schedules()');

# The partitions of the history, with those of today and tomorrow.  A dropped
# partition leaves nothing behind.
my $partitions = q{
	SELECT string_agg(substr(relname, 13), ' ' ORDER BY relname) || CASE WHEN bool_and(inhparent IS NOT NULL) THEN '' ELSE ' detached' END
	FROM pg_class LEFT JOIN pg_inherits ON inhrelid = pg_class.oid
	WHERE relnamespace = 'jadugar_internal'::regnamespace AND relkind = 'r' AND relname ~ '^attempt_[0-9]+$'};
my $old = '1010 1011 1101 1102 0314 0315';
poll($node, $partitions, $old);
now_is('2027-04-01 12:00', 'reload');
poll($node, $partitions, "$old 0401 0402");
my $kept = sql("SELECT jadugar.enqueue('SELECT 1')");
poll($node, "SELECT status FROM jadugar.history WHERE task_id = $kept", 'completed');

# 40 days after the last day of the old partitions.  A reader keeps them for now.
is(sql("BEGIN; SELECT count(*) > 0 FROM jadugar.history; PREPARE TRANSACTION 'reader'"), 't', 'a session reads the history');
$node->append_conf('postgresql.conf', "jadugar.history_retention = '30d'");
now_is('2027-04-23 12:00', 'reload');
wait_for_log($node, qr/jadugar could not drop the history partition "attempt_20261010" yet/);
poll($node, $partitions, "$old 0401 0402 0423 0424");
completed('partitions that are being read are not dropped');
is(sql('SELECT count(*) FROM jadugar.history WHERE finished_at < \'2027-03-20\'') > 0, 1, 'the kept partitions can be read');
sql("ROLLBACK PREPARED 'reader'");
now_is('2027-04-23 13:10', 'reload');
poll($node, $partitions, '0401 0402 0423 0424');
is(sql('SELECT min(finished_at)::date FROM jadugar.history'), '2027-04-01', 'younger partitions are kept');
is(sql("SELECT status FROM jadugar.get_task($kept)"), 'completed', 'younger partitions can be read');
my $known = "SELECT (SELECT forgotten FROM jadugar_internal.here) BETWEEN 1 AND $kept - 1";
is(sql($known), 't', 'the failures of dropped partitions are no longer known');
completed('after all');
is(sql("SELECT DISTINCT finished_at::date FROM jadugar.history WHERE finished_at > '2027-04-02'"), '2027-04-23', 'new rows are in the partition of the day');

# Also at the start of a scheduler
now_is('2027-06-02 12:00', 'restart');
poll($node, $partitions, '0602 0603');
completed('a new day');

# @startup, whose timestamp is the start of the server by its own clock.  A task
# runs only after the scheduler has handled such schedules.
sub boots
{
	return sql("SELECT count(*) FILTER (WHERE status = 'completed') || ' of ' || count(*) FROM jadugar.history WHERE schedule = 'boot'");
}
sql('DELETE FROM jadugar_internal.attempt');
$node->append_conf('postgresql.conf', 'jadugar.clock_offset = 0');
$node->restart;
sql("SELECT jadugar.schedule('boot', '\@startup', 'SELECT 1')");
completed('a new @startup schedule');
is(boots(), '0 of 0', '@startup waits for a start of the server');
foreach my $starts (1 .. 2)
{
	$node->restart;
	poll($node, "SELECT completed FROM jadugar.schedules WHERE name = 'boot'", $starts);
	completed('started');
	foreach my $kind (qw(worker scheduler launcher))
	{
		my $offset = log_offset($node);

		kill_process(wait_for_process($node, $kind), 'KILL');
		wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
		poll($node, 'SELECT true');
		completed("a $kind was killed");
		is(boots(), "$starts of $starts", "a $kind was killed: \@startup does not fire");
	}
}

# The clock is set while the scheduler sleeps: nothing is late by the jump.
my $tomorrow = sql(q{SELECT jadugar.enqueue('SELECT 1', delay => '20 hours')});
is(sql("SELECT status FROM jadugar.get_task($tomorrow)"), 'scheduled', 'a task of tomorrow');
$node->append_conf('postgresql.conf', q{jadugar.fault = 'sleep-clock:jump'});
$node->reload;
ok(poll($node, "SELECT status FROM jadugar.get_task($tomorrow)", 'completed'),
	'the clock was set a day forward during the sleep: the task runs');

$node->stop;
done_testing();
