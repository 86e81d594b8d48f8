# Bench::Measure::Http: requests a second to a local nginx, beside a program that only sends
# them; from the acknowledgement of enqueue's commit to the answer, alone and beside a
# service that takes its time; and tasks behind a breaker that is open.
package Bench::Measure::Http;

use strict;
use warnings;

use Bench::Jadugar;
use Bench::Measure::Latency;
use Bench::Nginx;
use Bench::Proc;
use Bench::Stats;
use Time::HiRes qw(time usleep);

our $name = 'http';

our $connections = 16;
our $slow = 200;     # requests under way to the slow service

sub measure
{
	my ($run) = @_;
	my $server = $run->{server};
	my $missing = Bench::Nginx::missing();
	my $n = $run->pick(10_000, 50_000);

	return $run->note("HTTP was not measured: $missing.") if $missing;
	my $dir = "$server->{dir}/nginx";
	mkdir $dir;
	my $nginx = Bench::Nginx->start($dir);
	$server->set('jadugar.http_allow_addresses' => '127.0.0.1/32');
	my $ok = eval {
		foreach my $round (1 .. $run->rounds(2, 3))
		{
			requests($run, $nginx, $n);
			bare($run, $nginx, $n);
		}
		latency($run, $nginx, $run->pick(200, 1000));
		behind_breaker($run, $nginx, $run->pick(100_000, 1_000_000), $run->pick(10, 30));
		1;
	};
	my $error = $@;
	$nginx->stop;
	die $error if !$ok;
	return;
}

# A database with endpoints.
sub fresh_http
{
	my ($run, $nginx) = @_;
	my $db = fresh_jadugar($run);
	my $admin = $run->{server}->session($db, 'postgres');

	foreach my $endpoint ([ quick => $connections ], [ slow => $slow ])
	{
		$admin->query("CREATE SERVER $endpoint->[0] FOREIGN DATA WRAPPER jadugar_http OPTIONS (max_concurrency '$endpoint->[1]',
			base_url 'http://127.0.0.1:$nginx->{port}', allow_addresses '127.0.0.1/32');
			GRANT USAGE ON FOREIGN SERVER $endpoint->[0] TO $Bench::Server::role");
	}
	$admin->close;
	return $db;
}

# The process has sent a request, so its connection is there.
sub warm_up
{
	my ($run, $session) = @_;

	$session->query("SELECT jadugar.call_service('quick', '/ok')");
	$run->{server}->poll(sub { $session->query('SELECT count(*) FROM jadugar.tasks') eq '0' }, 'a request is sent');
	return;
}

sub http_process
{
	my ($run, $db) = @_;

	return $run->{server}->admin("SELECT pid FROM pg_stat_activity WHERE backend_type = 'jadugar http' AND datname = '$db'");
}

# Many requests that wait are sent, and their responses are kept.
sub requests
{
	my ($run, $nginx, $n) = @_;
	my $server = $run->{server};
	my $db = fresh_http($run, $nginx);
	my $session = $server->session($db);

	warm_up($run, $session);
	$session->query('SELECT jadugar.pause_all()');
	$session->query(qq{SELECT count(*) FROM jadugar.enqueue_batch('http', array_fill('{"endpoint": "quick", "path": "/ok"}'::jsonb, ARRAY[$n]))});
	$server->settle($db);
	my $pid = http_process($run, $db);
	my $cpu = usage($pid)->{cpu};
	$session->query('SELECT jadugar.resume_all()');
	wait_for_completed($run, $session, $n + 1, 300);
	$run->add($name, 'process CPU µs', 'jadugar', '', 1e6 * (usage($pid)->{cpu} - $cpu) / $n);
	my ($first, $last, $completed) = @{ ($session->rows(
		"SELECT min(extract(epoch FROM started_at)), max(extract(epoch FROM finished_at)), count(*) FILTER (WHERE (result ->> 'status') = '200') FROM jadugar.history WHERE task_id > 1"))[0] };
	$run->same('responses kept', $completed, $n);
	$run->add($name, 'requests/s', 'jadugar', '', $n / ($last - $first));
	$session->close;
	$server->drop($db);
	return;
}

sub bare
{
	my ($run, $nginx, $n) = @_;

	open(my $out, '-|', $run->{requests}, "http://127.0.0.1:$nginx->{port}/ok", $n, $connections) or die "requests: $!";
	my $seconds = readline($out);
	close($out) or die "the program that only sends requests failed\n";
	$run->add($name, 'requests/s', 'libcurl alone', '', $n / $seconds);
	return;
}

# One request after the other; then beside a service whose places are all taken.
sub latency
{
	my ($run, $nginx, $samples) = @_;
	my $server = $run->{server};
	my $db = fresh_http($run, $nginx);
	my $session = $server->session($db);

	warm_up($run, $session);
	my $first = 1;
	foreach my $who ('alone', "$slow requests hang")
	{
		if ($who ne 'alone')
		{
			# each takes five seconds
			$session->query(qq{SELECT count(*) FROM jadugar.enqueue_batch('http', array_fill('{"endpoint": "slow", "path": "/slow"}'::jsonb, ARRAY[10 * $slow]))});
			$server->poll(sub { $session->query('SELECT count(*) FROM jadugar.running') >= $slow }, 'the slow service is called');
		}
		my $acknowledged = Bench::Measure::Latency::client($run, $db, qq{SELECT jadugar.call_service('quick', '/seen', query => jsonb_build_object('n', \$1::integer + $first))}, $samples);
		$server->poll(sub { $session->query("SELECT count(*) FROM jadugar.tasks WHERE payload ->> 'endpoint' = 'quick'") eq '0' }, 'all are answered');
		my $arrivals = $nginx->arrivals;
		my @ms = map { ($arrivals->{ $_ + $first } - $acknowledged->{$_}) / 1000 } keys %$acknowledged;
		$run->same('requests seen', scalar @ms, $samples);
		$run->keep($name, 'ms', $who, '', @ms);
		$run->add($name, 'p50 ms', $who, '', percentile(50, @ms));
		$run->add($name, 'p99 ms', $who, '', percentile(99, @ms));
		$first += $samples;
	}
	$session->query('SELECT jadugar.cancel_tasks()');
	$session->close;
	$server->drop($db);
	return;
}

# What the server does while tasks wait for a breaker.
sub behind_breaker
{
	my ($run, $nginx, $n, $seconds) = @_;
	my $server = $run->{server};
	my $db = fresh_http($run, $nginx);
	my $admin = $server->session($db, 'postgres');

	$server->set(autovacuum => 'off');
	warm_up($run, $server->session($db));
	$admin->query("SELECT jadugar.force_breaker('quick', 'open')");
	$server->session($db)->query(qq{SELECT count(*) FROM jadugar.enqueue_batch('http', array_fill('{"endpoint": "quick", "path": "/ok"}'::jsonb, ARRAY[$n]))});
	$server->settle($db);
	$admin->close;
	# statistics of sessions that have ended, and a record of the server's own that
	# follows a checkpoint within 15 seconds
	usleep(17e6);
	my %before = activity($run, $db);
	usleep(1e6 * $seconds);
	my %after = activity($run, $db);
	$run->add($name, $_, 'breaker is open', $n, $after{$_} - $before{$_}) foreach qw(wake-ups transactions), 'blocks read', 'WAL bytes';
	$server->set(autovacuum => 'on');
	$server->drop($db);
	return;
}

sub activity
{
	my ($run, $db) = @_;
	my $server = $run->{server};
	my @pids = split /\n/, $server->admin("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'jadugar %' AND datname = '$db'");
	my ($transactions, $blocks, $wal) = split /\|/, $server->admin(
		"SELECT xact_commit + xact_rollback, blks_read + blks_hit, pg_current_wal_insert_lsn() - '0/0' FROM pg_stat_database WHERE datname = '$db'");

	return ('wake-ups' => usage(@pids)->{wakeups}, transactions => $transactions, 'blocks read' => $blocks, 'WAL bytes' => $wal);
}

1;
