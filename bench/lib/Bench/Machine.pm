# Bench::Machine: the machine of the benchmark, its settings and versions.
package Bench::Machine;

use strict;
use warnings;

use Bench::Broker;
use Bench::Proc;
use Bench::Stats;
use POSIX qw(strftime uname);

# Settings of the server.  All others, including fsync and synchronous_commit,
# have their defaults.  During a run only requested checkpoints happen.
sub settings
{
	my ($socket) = @_;
	my $gb = memory_gb();

	return (
		shared_buffers => $gb >= 8 ? '1GB' : $gb >= 3 ? '256MB' : '128MB',
		max_wal_size => '8GB',
		checkpoint_timeout => '1h',
		max_connections => 200,
		max_worker_processes => 64,
		track_wal_io_timing => 'on',
		timezone => 'UTC',
		log_timezone => 'UTC',
		'cron.database_name' => 'cron',
		'cron.host' => $socket,
		'jadugar.max_workers' => 16,
		'jadugar.max_databases' => 1000,
		'jadugar.worker_idle_timeout' => '1h');
}

my @shown = qw(fsync synchronous_commit full_page_writes wal_sync_method shared_buffers max_wal_size
  checkpoint_timeout autovacuum max_connections max_worker_processes jadugar.max_workers
  jadugar.group_commit_window jadugar.worker_idle_timeout);

# Rate of one-row transactions of one client.  A single client or worker that
# commits each task separately cannot be faster.
sub commit_rate
{
	my ($run) = @_;
	my $server = $run->{server};
	my $db = $server->fresh('commits');
	my $session = $server->session($db);

	$session->query('CREATE TABLE effect (n integer)');
	my $script = "$server->{dir}/commit.sql";
	open(my $out, '>', $script) or die "$script: $!";
	print $out "INSERT INTO effect VALUES (1);\n";
	close($out);
	my $rate = pgbench($run, $db, $script, 1, $run->pick(2, 5));
	$session->close;
	$server->drop($db);
	return $rate;
}

# pgbench(RUN, DB, SCRIPT, CLIENTS, SECONDS): return transactions per second.
sub pgbench
{
	my ($run, $db, $script, $clients, $seconds) = @_;
	my $server = $run->{server};

	open(my $out, '-|', $server->program('pgbench'), '-n', '-M', 'prepared', '-U', $Bench::Server::role,
		'-c', $clients, '-j', $clients, '-T', $seconds, '-f', $script, $db) or die "pgbench: $!";
	my $text = do { local $/; readline($out) };
	close($out) or die "pgbench failed\n";
	return $text =~ /^tps = ([\d.]+) \(without/m ? $1 : die "pgbench: $text";
}

sub version_of
{
	my ($dir, $module) = @_;

	return slurp("$dir/node_modules/$module/package.json") =~ /"version":\s*"([^"]+)"/ ? $1 : 'none';
}

# Return facts about the machine, in the order of their display.
sub describe
{
	my ($run, %arg) = @_;
	my $server = $run->{server};
	my ($system, undef, $release, undef, $machine) = uname();
	my (%facts, @order);

	my @facts = (
		'Date' => strftime('%Y-%m-%d %H:%M UTC', gmtime),
		'Kind of run' => $run->{quick} ? 'QUICK' : 'full',
		'Machine' => sprintf('%d cores (%s), %.0f GB of memory, %s %s', cores(), cpu_model(), memory_gb(), $system, $machine),
		'Commits a second, one client, one row each' => number(commit_rate($run)),
		'PostgreSQL' => $server->admin('SHOW server_version'),
		'jadugar' => slurp("$run->{bench}/../jadugar.control") =~ /default_version\s*=\s*'([^']+)'/ ? "$1" : '',
		'npm peers' => $run->has('npm')
		? join(', ', map { "$_ " . version_of($arg{npm}, $_) } 'graphile-worker', 'pg-boss', '@event-driven-io/emmett-postgresql', 'pg')
		  . ', node ' . (`'$arg{node}' --version` =~ s/\s+$//r)
		: "not measured: $run->{have}{npm}",
		'Brokers' => join(', ', map { "$_ " . ($run->has($_) ? Bench::Broker::version($_) : "not measured: $run->{have}{$_}") } @Bench::Broker::all),
		'pg_cron' => $run->has('cron')
		? $server->admin(q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_cron'})
		: "not measured: $run->{have}{cron}",
		'Settings' => join(', ', map { "$_ = " . $server->admin("SHOW $_") } @shown));
	while (my ($name, $value) = splice(@facts, 0, 2))
	{
		push @order, $name;
		$facts{$name} = $value;
	}
	return { facts => \%facts, order => \@order };
}

1;
