# jadugar does nothing on a standby.  After a promotion it takes over: no task runs
# twice, and no due task is lost.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_cluster('primary', -streaming => 1, 'jadugar.max_workers' => 2);
create_extension($primary);
$primary->safe_psql('postgres', q{
	CREATE TABLE effect (task_id bigint, scheduled_for timestamptz);
	SELECT jadugar.schedule('tick', 'every 1 second',
		'INSERT INTO effect SELECT task_id, scheduled_for FROM jadugar.current_task()',
		misfire => 'all', misfire_grace => '1 hour', overlap => 'parallel')});

my $standby = new_standby('standby', $primary, 'jadugar.max_workers' => 4);

# One task runs, others wait for it, one is due later, one is paused.
my $quick = 'INSERT INTO effect SELECT task_id FROM jadugar.current_task()';
$primary->safe_psql('postgres', qq{
	CREATE TABLE made AS
	SELECT 'running' AS what, jadugar.enqueue('INSERT INTO effect SELECT task_id FROM jadugar.current_task(), pg_sleep(3600)', concurrency_key => 'one') AS task_id});    # waits-for-time: cancelled
poll($primary, 'SELECT count(*) FROM jadugar.running JOIN made USING (task_id)', '1');
$primary->safe_psql('postgres', qq{
	INSERT INTO made
	SELECT 'waiting', jadugar.enqueue('$quick', concurrency_key => 'one') FROM generate_series(1, 20);
	INSERT INTO made SELECT 'later', jadugar.enqueue('$quick', delay => '1 hour');
	INSERT INTO made SELECT 'next', jadugar.enqueue('$quick', depends_on => array_agg(task_id))
	FROM made WHERE what = 'running';
	INSERT INTO made SELECT 'paused', jadugar.enqueue('$quick', delay => '1 hour');
	SELECT jadugar.pause_task(task_id) FROM made WHERE what = 'paused'});
poll($primary, 'SELECT count(*) >= 3 FROM effect WHERE scheduled_for IS NOT NULL');
$primary->wait_for_catchup($standby);
poll($standby, 'SELECT count(*) >= 3 FROM effect WHERE scheduled_for IS NOT NULL');

is(join(' ', jadugar_processes($standby)), '', 'no process of jadugar on the standby');
is($standby->safe_psql('postgres',
		q{SELECT detail FROM jadugar.health WHERE what = 'scheduler'}),
	'sleeps until this standby is promoted', 'health shows why nothing runs');
is($standby->safe_psql('postgres',
		q{SELECT count(*) FROM jadugar.tasks JOIN made USING (task_id)}),
	'24', 'the tasks are visible on the standby');
like(psql_error($standby, q{SELECT jadugar.enqueue('SELECT 1')}),
	qr/ERROR:.*read-only/s, 'no task can be enqueued on the standby');

# A rate that is used up.
$primary->safe_psql('postgres', q{
	SELECT jadugar.create_queue('rare', rate => 1, per => '3 s', burst => 1);
	SELECT count(jadugar.enqueue('SELECT 1', queue => 'rare')) FROM generate_series(1, 2)});
poll($primary, q{SELECT count(*) FROM jadugar.history WHERE queue = 'rare'}, '1');
$primary->wait_for_catchup($standby);

kill_postmaster($primary);
$standby->promote;
wait_for_process($standby, 'scheduler', 'postgres');
poll($standby, q{SELECT count(*) FROM jadugar.running JOIN made USING (task_id) WHERE what = 'running'}, '1');
ok(1, 'the task that ran on the primary runs again');
poll($standby, q{SELECT count(*) FROM jadugar.history WHERE queue = 'rare'}, '2');
is($standby->safe_psql('postgres', q{SELECT max(started_at) - min(started_at) >= '3 s' FROM jadugar.history WHERE queue = 'rare'}),
	't', 'a rate that was used up on the primary is used up');
is($standby->safe_psql('postgres',
		q{SELECT jadugar.cancel(task_id) FROM made WHERE what = 'running'}),
	't', 'the task can be cancelled after the promotion');
poll($standby, q{SELECT count(*) FROM effect JOIN made USING (task_id) WHERE what = 'waiting'}, '20');
is($standby->safe_psql('postgres', q{
		SELECT what, status, attempt, count(*) FROM made JOIN jadugar.history USING (task_id)
		GROUP BY 1, 2, 3 ORDER BY 1}),
	"next|cancelled|0|1\nrunning|cancelled|1|1\nwaiting|completed|1|20", 'each task is settled once');
is($standby->safe_psql('postgres', q{
		SELECT what, status FROM made JOIN jadugar.tasks USING (task_id) ORDER BY 1}),
	"later|scheduled\npaused|paused", 'waiting tasks still wait');

# The schedule has continued, without a gap and without a duplicate.
my $promoted = $standby->safe_psql('postgres', 'SELECT clock_timestamp()');
poll($standby, qq{
	SELECT count(*) >= 2 FROM effect WHERE scheduled_for > '$promoted'});
# An earlier occurrence may commit after a later one.
ok( poll($standby, q{
		SELECT count(*) - count(DISTINCT scheduled_for),
			extract(epoch FROM max(scheduled_for) - min(scheduled_for))::int + 1 - count(*)
		FROM effect WHERE scheduled_for IS NOT NULL}, '0|0'),
	'no occurrence was lost or doubled');
is($standby->safe_psql('postgres',
		'SELECT count(*) - count(DISTINCT task_id) FROM effect'),
	'0', 'no task took effect twice');
is($standby->safe_psql('postgres',
		q{SELECT count(*) FROM jadugar.health WHERE severity = 'error'}),
	'0', 'no adopt() is needed');
$standby->stop;
done_testing();
