# Many tasks that do nothing or sleep for a millisecond, under limits of each scope,
# while workers and the server are killed.  The history must prove that no instant had
# more of them than a limit allows.  Prints how many starts it has proved.
#
# Environment: STARTS, how many; MINUTES (9), after which it ends with fewer.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $wanted = $ENV{STARTS};
my $end = time() + 60 * ($ENV{MINUTES} || 9);
# how a task takes part in the limit of a scope
my %scopes = (queue => q(queue => 'many'), tenant => q(tenant => 'many'), handler => '', owner => q(owner => 'carol'), key => q(concurrency_key => 'many'));
my $most = 3;
my $wave = 3000;
my ($put, $kills, $crashes) = (0, 0, 0);

$deadline = 120;
my $node = new_cluster('main',
	'jadugar.max_workers' => 12,
	'jadugar.max_workers_per_role' => 8,
	'jadugar.max_crashes' => 1_000_000,
	'jadugar.history_retention' => '10000d',
	shared_buffers => '256MB',
	max_wal_size => '4GB',
	log_min_messages => 'fatal');

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# The server may be down.
sub try
{
	my ($sql) = @_;
	my $out = '';
	my $rc = eval { $node->psql('postgres', $sql, stdout => \$out, stderr => \my $err, timeout => 60) };

	return defined $rc && $rc == 0 ? $out : undef;
}

sub enqueue
{
	foreach my $scope (sort keys %scopes)
	{
		# waits-for-time: so that several run at once
		my $command = $scope eq 'handler' ? 'many' : q{SELECT pg_sleep(($1->>''sleep'')::float8)};
		my $payloads = "ARRAY(SELECT jsonb_build_object('within', ARRAY['$scope many'], 'sleep', CASE WHEN random() < 0.2 THEN 0.001 ELSE 0 END) FROM generate_series(1, $wave))";
		my $n = try("SELECT count(*) FROM jadugar.enqueue_batch('$command', $payloads" . ($scopes{$scope} && ", $scopes{$scope}") . ')');

		$put += $n // 0;
	}
	return;
}

# Most of the time a worker that runs a task; at times the whole server restarts.
sub strike
{
	my $signal = rand() < 0.03 ? 'KILL' : rand() < 0.2 ? 'INT' : 'TERM';
	my $pid = try(q{SELECT pid FROM jadugar.workers ORDER BY state = 'busy' DESC, random() LIMIT 1});

	return if !$pid || !kill_process($pid, $signal);
	$kills++;
	$crashes++ if $signal eq 'KILL';
	return;
}

sql(slurp_file("$top/test/torture/$_.sql")) foreach qw(setup events limits);
sql(qq{
	SELECT jadugar.unschedule(name, owner => owner) FROM jadugar.schedules;
	SELECT jadugar.create_queue('many'), jadugar.create_tenant('many'),
		jadugar.register_sql_handler('many', 'SELECT pg_sleep((\$1->>''sleep'')::float8)');    -- waits-for-time: likewise
	SELECT jadugar.set_limit('owner', 'carol');
	TRUNCATE torture.bound;
	INSERT INTO torture.bound SELECT scope, CASE scope WHEN 'owner' THEN 'carol' ELSE 'many' END, CASE scope WHEN 'key' THEN 'postgres' END, $most
	FROM unnest('{queue,tenant,handler,owner,key}'::text[]) scope;
	SELECT torture.restore_limits()});

my $left = 0;
while (time() < $end && $put - $left < $wanted)
{
	enqueue() if $left < 2 * $wave;
	strike();
	usleep(100_000);    # waits-for-time: between two kills
	$left = try('SELECT count(*) FROM jadugar_internal.task') // $left;
}
ok(poll($node, 'SELECT count(*) FROM jadugar_internal.task', '0'), 'all tasks end');
is(sql('SELECT count(*) FROM torture.too_many()'), '0', 'no instant had more than a limit allows');
is(sql('SELECT sum(in_use) FROM jadugar.limits'), '0', 'no place is left behind');
diag("starts: $_") foreach split /\n/, sql(q{
	SELECT scope || ' ' || count(*) FROM torture.bounded WHERE most IS NOT NULL GROUP BY scope
	UNION ALL
	SELECT 'all ' || count(*) || ', lost ' || count(*) FILTER (WHERE error_code = 'WORKER_CRASHED') FROM torture.begun});
diag("$kills signals to workers, $crashes of them restarted the server");
$node->stop;
done_testing();
