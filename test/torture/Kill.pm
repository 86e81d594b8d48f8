# Kill: what happens to the server while it works.
#
# events() names them; happen(T, NAME) makes one happen and returns what it was
# in words.  T is the torture's state (torture.pl): node, the server that is to
# work; offset, by which jadugar's clock is ahead.  An event may leave the
# server down, slow or changed: bring_back(T) makes it whole again.
package Kill;

use strict;
use warnings;

use Exporter qw(import);
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(events happen bring_back change server_pids fault_points);

# Fault points that a load of tasks comes by, and what may happen there.
my @fault_points;
my @fault_actions = qw(kill9 kill9 sigterm sigsegv error exit panic);

# from the sources
sub fault_points
{
	my %seen;

	foreach my $file (glob("$top/src/*/*.c $top/src/*/*/*.c"))
	{
		$seen{$_} = 1 foreach slurp_file($file) =~ /JDG_FAULT\("([^"]+)"\)/g;
	}
	return @fault_points = sort keys %seen;
}

sub pick
{
	my (@of) = @_;

	return $of[ rand @of ];
}

# Of the superuser, who may find the server down: nothing then.
sub ask
{
	my ($t, $sql, $dbname) = @_;
	my ($out, $err) = ('', '');
	my $rc = eval {
		$t->{node}->psql($dbname // 'postgres', $sql, stdout => \$out, stderr => \$err, timeout => 60);
	};

	return defined $rc && $rc == 0 ? $out : undef;
}

# Settings, in force at the next reload or start.  ALTER SYSTEM needs a server
# that answers; a file does not.
sub change
{
	my ($t, %settings) = @_;

	$t->{changed}{$_} = $settings{$_} foreach keys %settings;
	delete $t->{changed}{$_} foreach grep { !defined $t->{changed}{$_} } keys %{ $t->{changed} };
	open(my $f, '>', $t->{node}->data_dir . '/torture.conf') or die "torture.conf: $!";
	foreach my $setting (sort keys %{ $t->{changed} })
	{
		print $f "$setting = '$t->{changed}{$setting}'\n";
	}
	close($f);
	kill('HUP', $t->{node}->{_pid}) if defined $t->{node}->{_pid};
	return;
}

# Every process of the server works in its data directory.
sub server_pids
{
	my ($t) = @_;
	my $dir = $t->{node}->data_dir;

	return map { m{/proc/(\d+)/} } grep { (readlink($_) // '') eq $dir } glob('/proc/[0-9]*/cwd');
}

# --- processes ----------------------------------------------------------------

sub victim
{
	my ($t, $kind) = @_;
	my $where = $kind eq 'client' ? "backend_type = 'client backend' AND pid <> pg_backend_pid()"
	  : $kind eq 'any' ? "pid <> pg_backend_pid() AND backend_type !~ 'walsender|startup'"
	  : "backend_type = 'jadugar $kind'";
	# rather one that is inside a task
	my $first = $kind eq 'worker' ? 'EXISTS (SELECT FROM jadugar.running r WHERE r.pid = a.pid) DESC, ' : '';

	return ask($t, "SELECT pid FROM pg_stat_activity a WHERE $where ORDER BY $first random() LIMIT 1");
}

sub strike
{
	my ($t, $signal, $kind) = @_;
	my $pid = victim($t, $kind) || return "no $kind to send SIG$signal";

	kill($signal, $pid);
	return "SIG$signal to $kind $pid";
}

sub crash { my ($t) = @_; return strike($t, pick(qw(KILL SEGV QUIT ABRT)), pick(qw(worker worker scheduler launcher client any))); }

sub terminate { my ($t) = @_; return join(', ', map { strike($t, 'TERM', pick(qw(worker worker scheduler launcher client))) } 1 .. 3); }

sub cancel { my ($t) = @_; return join(', ', map { strike($t, 'INT', pick(qw(worker worker scheduler launcher client))) } 1 .. 6); }

# a process that hangs for a while holds what it holds
sub freeze
{
	my ($t) = @_;
	my $kind = pick(qw(worker scheduler launcher client));
	my $pid = victim($t, $kind) || return "no $kind to stop";

	kill('STOP', $pid);
	usleep(50_000 + rand(300_000));    # waits-for-time: how long it hangs
	kill('CONT', $pid);
	return "SIGSTOP to $kind $pid";
}

# --- the server ---------------------------------------------------------------

sub kill_server { my ($t) = @_; kill_postmaster($t->{node}); return 'kill -9 of the postmaster'; }

sub stop_server
{
	my ($t) = @_;
	my $mode = pick(qw(fast immediate));

	$t->{node}->stop($mode, fail_ok => 1);
	return "stop -m $mode";
}

# The soft limit: a hard one could not be taken back.  The postmaster comes
# first, what it starts inherits it.
sub limit_files
{
	my ($t, $bytes) = @_;

	foreach my $pid (grep { defined } $t->{node}->{_pid}, server_pids($t))
	{
		system("prlimit --pid $pid --fsize=$bytes: 2>/dev/null");
	}
	return;
}

# No file may grow past this, so that no new segment of the WAL can be made: to
# the server, that is a full disk.  A limit of a process, which needs no
# privilege; a file system that is full would.
sub fill_disk
{
	my ($t) = @_;

	limit_files($t, 8 * 1024 * 1024);
	# until the segments that are there are used up
	for (1 .. 12)
	{
		last if !defined ask($t, 'INSERT INTO torture.noise SELECT generate_series(1, 20000); SELECT pg_switch_wal()');
	}
	usleep(200_000);    # waits-for-time: how long the disk is full
	return 'the disk of the WAL is full';
}

# The old primary is killed, the standby takes its place.  Commits are
# synchronous, so that what was acknowledged is there.
sub promote
{
	my ($t) = @_;
	my $standby = $t->{standby};
	my $old = $t->{node};

	kill_postmaster($old);
	$standby->promote;
	delete $t->{standby};
	$t->{node} = $standby;
	change($t, synchronous_standby_names => undef);
	$t->{announce}->();
	push @{ $t->{retired} }, $old;
	return 'promotion of ' . $standby->name;
}

# --- jadugar ------------------------------------------------------------------

sub jump
{
	my ($t) = @_;
	my $by = pick(2, 30, 400, 3600, 90_000);
	my $back = $t->{offset} + $by;

	change($t, 'jadugar.clock_offset' => $back);
	if (rand() < 0.4)
	{
		# and back again a part of it
		usleep(300_000);    # waits-for-time: until it is seen
		change($t, 'jadugar.clock_offset' => $t->{offset} + int($by / 2));
	}
	$t->{offset} = $back;
	return "the clock jumps by $by s";
}

sub settings
{
	my ($t) = @_;
	my %new;

	$new{'jadugar.group_commit_window'} = pick('0', '1ms', '5ms', '50ms');
	$new{'jadugar.worker_max_tasks'} = pick(0, 1, 20);
	$new{'jadugar.worker_idle_timeout'} = pick('0', '50ms', '60s');
	$new{'jadugar.max_workers_per_role'} = pick(0, 1, 3);
	$new{'jadugar.cancel_grace'} = pick('0', '100ms', '5s');
	change($t, %new);
	return 'settings ' . join(', ', map { s/jadugar.//r . " $new{$_}" } sort keys %new);
}

sub switch_off
{
	my ($t) = @_;

	change($t, 'jadugar.enabled' => 'off');
	usleep(50_000 + rand(400_000));    # waits-for-time: how long it is off
	change($t, 'jadugar.enabled' => undef);
	return 'jadugar.enabled off and on';
}

sub pools
{
	my ($t) = @_;
	my $sql = pick(
		q(SELECT jadugar.scale_workers(2, role => 'alice')), q(SELECT jadugar.stop_workers(role => 'bob')),
		q(SELECT jadugar.restart_workers(role => 'carol')), q(SELECT jadugar.start_workers(2, role => 'bob')),
		q(SELECT jadugar.pause_all()), q(SELECT jadugar.pause_queue('default')),
		q(CALL jadugar.drain('two', timeout => '1 second')),
		q(ALTER ROLE bob NOLOGIN), q(ALTER ROLE alice NOLOGIN; SELECT pg_sleep(0.2); ALTER ROLE alice LOGIN));    # waits-for-time: how long

	ask($t, $sql);
	return $sql;
}

# Another database: copied, dropped, its extension dropped, while work is there.
sub databases
{
	my ($t) = @_;

	ask($t, 'CREATE DATABASE second') // return 'no second database could be made';
	$t->{databases} = 1;
	ask($t, 'CREATE EXTENSION jadugar; CREATE TABLE effect (n int)', 'second');
	my $acked = ask($t, q(SELECT count(jadugar.enqueue('INSERT INTO effect SELECT 1 FROM pg_sleep(0.01)')) FROM generate_series(1, 30)), 'second');    # waits-for-time: to be met
	my $how = pick(qw(template extension both));
	ask($t, 'CREATE DATABASE third TEMPLATE second') if $how ne 'extension';
	ask($t, 'DROP EXTENSION jadugar CASCADE; CREATE EXTENSION jadugar', 'second') if $how ne 'template';
	$t->{second} = $acked if $how eq 'template' && defined $acked;
	return "databases: $how";
}

# A process fails at a fault point, whichever comes by first.
sub fault
{
	my ($t) = @_;
	my $point = $t->{points} && @{ $t->{points} } ? shift @{ $t->{points} } : pick(@fault_points);
	# in a signal handler nothing may be raised
	my $action = $point eq 'grace-over' ? 'kill9' : pick(@fault_actions);

	unlink(glob($t->{node}->data_dir . '/jadugar_fault.*'));
	change($t, 'jadugar.fault' => "$point:$action");
	$t->{fault} = $point;
	return "fault point $point:$action";
}

my %events = (
	crash => \&crash, terminate => \&terminate, cancel => \&cancel, freeze => \&freeze,
	kill_server => \&kill_server, stop_server => \&stop_server, fill_disk => \&fill_disk,
	promote => \&promote, jump => \&jump, settings => \&settings, switch_off => \&switch_off,
	pools => \&pools, databases => \&databases, fault => \&fault);

sub events
{
	return sort keys %events;
}

sub happen
{
	my ($t, $name) = @_;

	return $events{$name}->($t);
}

# The server runs, answers, and is as it was meant to be.
sub bring_back
{
	my ($t) = @_;
	my $node = $t->{node};

	change($t, map { ($_ => undef) } grep { $_ !~ /clock_offset|synchronous/ } keys %{ $t->{changed} });
	change($t, 'jadugar.clock_offset' => $t->{offset});
	limit_files($t, 'unlimited');
	my $up = poll_sub(
		'the server answers',
		sub {
			return 1 if defined ask($t, 'SELECT 1');
			if (!defined $node->{_pid} || !process_exists($node->{_pid}))
			{
				$node->{_pid} = undef;
				$node->start(fail_ok => 1) if !server_pids($t);
			}
			return 0;
		});
	return 0 if !$up;
	# missed by a process that was just starting
	kill('HUP', $node->{_pid});
	ask($t, join('; ', 'SELECT jadugar.resume_all()', q(SELECT jadugar.resume_queue('default')), q(SELECT jadugar.resume_queue('two')),
			map { ("ALTER ROLE $_ LOGIN", "SELECT jadugar.restart_workers(role => '$_')") } qw(alice bob carol)));
	return 1;
}

1;
