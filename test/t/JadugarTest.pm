# JadugarTest: the common part of the TAP tests, on top of
# PostgreSQL::Test::Cluster.
#
#   use JadugarTest;
#   my $node = new_cluster('main', 'jadugar.max_workers' => 4);
#   poll($node, 'SELECT count(*) FROM t', '3');
#
# The superuser is "postgres" for every user of the system.  No function sleeps to
# let something happen: each waits for a condition and fails at a deadline.
package JadugarTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(new_cluster new_standby create_extension poll poll_sub
  wait_for_log log_offset psql_error kill_process kill_postmaster kill_in_turn process_exists wait_for_exit
  jadugar_processes wait_for_process wait_for_restart wait_running schedule_history
  wait_for_runs next_xid $deadline $top);

# Seconds until a condition must be true.
our $deadline = $PostgreSQL::Test::Utils::timeout_default;

# The top directory of the sources.
our $top;

BEGIN
{
	$top = dirname(dirname(dirname(abs_path(__FILE__))));
	unshift @INC, "$top/test/torture";
	$ENV{PGUSER} = 'postgres';
}

# new_cluster(NAME, SETTING => VALUE...): a started server with jadugar loaded.
# Its encoding and locale are the same in every environment.
# shared_preload_libraries => '' leaves the library out; -streaming => 1 makes a
# server that can have standbys; -start => 0 does not start it; -faults => 1
# uses the build with fault points (base/fault.h).
sub new_cluster
{
	my ($name, %conf) = @_;
	my $streaming = delete $conf{-streaming} // 0;
	my $start = delete $conf{-start} // 1;
	my $node = PostgreSQL::Test::Cluster->new($name, installation(delete $conf{-faults}));

	$node->init(
		allows_streaming => $streaming,
		extra => [ '-U', 'postgres', '-E', 'UTF8', '--no-locale' ]);
	%conf = (
		shared_preload_libraries => 'jadugar',
		max_connections => 50,
		max_worker_processes => 32,
		max_prepared_transactions => 10,
		restart_after_crash => 'on',
		timezone => 'UTC',
		log_line_prefix => '%m %b[%p] %q%a ',
		%conf);
	set_conf($node, %conf);
	$node->start if $start;
	return $node;
}

# A started standby of PRIMARY (made with -streaming => 1).
sub new_standby
{
	my ($name, $primary, %conf) = @_;
	my $backup = "for_$name";
	my $node = PostgreSQL::Test::Cluster->new($name, installation(delete $conf{-faults}));

	$primary->backup($backup);
	$node->init_from_backup($primary, $backup, has_streaming => 1);
	set_conf($node, %conf);
	$node->start;
	return $node;
}

# The server with fault points is next to the staged one.  An installed server
# has none, and the whole script is skipped.
sub installation
{
	my ($faults) = @_;

	return () if !$faults;
	chomp(my $bindir = `pg_config --bindir`);
	plan(skip_all => 'needs the build with fault points: make check-tap')
	  if $bindir !~ m{/build/pg/};
	my $path = $bindir =~ s{/build/pg/(.*)/bin$}{/build/faults/pg/$1}r;
	-x "$path/bin/postgres" or die "no server with fault points; run make stage-faults";
	return (install_path => $path);
}

sub set_conf
{
	my ($node, %conf) = @_;

	foreach my $setting (sort keys %conf)
	{
		my $value = $conf{$setting} =~ s/'/''/gr;
		$node->append_conf('postgresql.conf', "$setting = '$value'");
	}
	return;
}

# create_extension(NODE [, DBNAME]): in that database (postgres), which is
# created if it does not exist.
sub create_extension
{
	my ($node, $dbname) = @_;

	$dbname //= 'postgres';
	if ($node->safe_psql('postgres',
			"SELECT count(*) FROM pg_database WHERE datname = '$dbname'") eq '0')
	{
		$node->safe_psql('postgres', "CREATE DATABASE $dbname");
	}
	$node->safe_psql($dbname, 'CREATE EXTENSION jadugar');
	return;
}

# poll_sub(NAME, CODE): wait until CODE returns true.  At the deadline the test
# NAME fails and the result is false.
sub poll_sub
{
	my ($name, $code) = @_;
	my $end = time() + $deadline;

	until ($code->())
	{
		if (time() > $end)
		{
			fail($name);
			diag("not within $deadline seconds: $name");
			return 0;
		}
		usleep(50_000);    # waits-for-time: pause between looks, see $end
	}
	return 1;
}

# poll(NODE, QUERY, VALUE [, DBNAME]): wait until the query returns the value
# ('t'), as psql -At prints it.  An error counts as "not yet", so the server may
# restart meanwhile.
sub poll
{
	my ($node, $query, $value, $dbname) = @_;
	my ($out, $err) = ('', '');

	$value //= 't';
	my $met = poll_sub(
		$query,
		sub {
			$out = $err = '';
			# A psql whose connection is refused may exit before it has read
			# its input.
			my $rc = eval {
				$node->psql($dbname // 'postgres', $query,
					stdout => \$out, stderr => \$err);
			};
			return defined $rc && $rc == 0 && $out eq $value;
		});
	diag("expected: $value\nlast: $out\n$err") if !$met;
	return $met;
}

# The end of the server's log, from which wait_for_log can start to search.
sub log_offset
{
	my ($node) = @_;

	return -s $node->logfile // 0;
}

# wait_for_log(NODE, REGEX [, OFFSET]): wait until the server's log matches.
sub wait_for_log
{
	my ($node, $regex, $offset) = @_;

	return poll_sub("log matches $regex",
		sub { return slurp_file($node->logfile, $offset // 0) =~ $regex; });
}

# The error of a statement: message, detail, hint; '' if it succeeds.
sub psql_error
{
	my ($node, $sql, $dbname) = @_;
	my $err = '';

	my $rc = $node->psql($dbname // 'postgres', $sql, stderr => \$err);
	return $rc == 0 ? '' : $err;
}

sub process_exists
{
	my ($pid) = @_;

	return kill(0, $pid) ? 1 : 0;
}

sub wait_for_exit
{
	my ($pid) = @_;

	return poll_sub("process $pid has ended", sub { return !process_exists($pid); });
}

# kill_process(PID, SIGNAL): send a signal, and after KILL wait until the process
# is gone.  Process ids 0 and 1 and groups are refused.
sub kill_process
{
	my ($pid, $signal) = @_;

	die "not a process id: $pid" unless defined $pid && $pid =~ /^\d+$/ && $pid > 1;
	kill($signal, $pid) or return 0;
	return 1 unless $signal =~ /^(SIG)?KILL$|^9$/;
	return wait_for_exit($pid);
}

# kill_postmaster(NODE): kill -9, and wait until the last process of that server
# is gone, so that it can be started again.  The processes are found by their
# working directory, which is the data directory.
sub kill_postmaster
{
	my ($node) = @_;
	my $dir = $node->data_dir;
	my $pid = (split /\n/, slurp_file("$dir/postmaster.pid"))[0];

	$node->kill9;
	return poll_sub(
		'the killed server is gone',
		sub {
			return !process_exists($pid)
			  && !grep { (readlink($_) // '') eq $dir } glob('/proc/[0-9]*/cwd');
		});
}

# wait_for_restart(NODE, KILLED, OFFSET): after a kill -9 of a process, wait until
# the server accepts connections again.  KILLED is "postmaster", which has to be
# started, or the name of another process.  OFFSET is the end of the log before.
sub wait_for_restart
{
	my ($node, $killed, $offset) = @_;

	if ($killed eq 'postmaster')
	{
		$node->start;
		return;
	}
	wait_for_log($node, qr/all server processes terminated; reinitializing/, $offset);
	poll($node, 'SELECT true');
	return;
}

# kill_in_turn(NODE, DBNAME, QUERY, STEP [, CODE]): disturb work that goes on.  When
# the number that QUERY returns has reached STEP, a worker is terminated; at 2 STEP the
# server stops at once and starts; at 3 STEP a worker is killed, and all processes
# restart.  CODE is called after each of them.
sub kill_in_turn
{
	my ($node, $dbname, $query, $step, $code) = @_;

	foreach my $round (1 .. 3)
	{
		poll_sub("$query: @{[$step * $round]}", sub { return $node->safe_psql($dbname, $query) >= $step * $round; });
		my $pid = $node->safe_psql($dbname,
			q{SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'jadugar worker'});
		if ($round == 2)
		{
			$node->stop('immediate');
			$node->start;
		}
		elsif ($pid ne '')
		{
			kill_process($pid, $round == 1 ? 'TERM' : 'KILL');
		}
		$code->() if $code;
	}
	return poll($node, 'SELECT 1', '1', $dbname);
}

# jadugar_processes(NODE [, KIND [, DBNAME]]): pids of the processes of a kind
# (launcher, scheduler, worker; all of these), oldest first.
sub jadugar_processes
{
	my ($node, $kind, $dbname) = @_;
	my $where = "backend_type LIKE 'jadugar " . ($kind // '%') . "'";

	$where .= " AND datname = '$dbname'" if defined $dbname;
	return split /\n/,
	  $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $where ORDER BY backend_start, pid");
}

# wait_for_process(NODE, KIND [, DBNAME]): wait until a process of that kind
# exists, and return its pid.
sub wait_for_process
{
	my ($node, $kind, $dbname) = @_;
	my @pids;

	poll_sub("a jadugar $kind is running",
		sub { return @pids = jadugar_processes($node, $kind, $dbname); });
	return $pids[0];
}

# Waits until a worker runs the code of the task.
sub wait_running
{
	my ($node, $id) = @_;

	return poll($node, "SELECT count(*) FROM jadugar.running WHERE task_id = $id AND phase = 'running'", '1');
}

# schedule_history(NODE, NAME): the history of a schedule, one line for each row: its
# status, reason and number of occurrences.
sub schedule_history
{
	my ($node, $name) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT concat_ws(' ', status, reason, occurrences) FROM jadugar.history
		WHERE schedule = '$name' ORDER BY scheduled_for});
}

# wait_for_runs(NODE, NAME, N): wait until N tasks of a schedule have completed.
sub wait_for_runs
{
	my ($node, $name, $n) = @_;

	return poll($node, "SELECT completed FROM jadugar.schedules WHERE name = '$name'", $n);
}

# The next transaction ID that the server will give out.
sub next_xid
{
	my ($node) = @_;

	return $node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
}

1;
