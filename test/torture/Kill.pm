# Kill: events that happen to the server while it works.
#
# events() returns their names; happen(T, NAME) makes one happen and returns a
# description.  T is the state of the torture (torture.pl): node, the server that
# works; offset, the offset of jadugar's clock.  An event may leave the server
# down, slow or changed: bring_back(T) repairs it.
package Kill;

use strict;
use warnings;

use Exporter qw(import);
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

our @EXPORT = qw(events happen bring_back change server_pids fault_points);

# Fault points that the load reaches, and their possible actions.
my @fault_points;
my @fault_actions = qw(kill9 kill9 sigterm sigsegv error exit panic);

# from the sources; PATTERN: only those
sub fault_points
{
	my ($pattern) = @_;
	my %seen;

	foreach my $file (glob("$top/src/*/*.c $top/src/*/*/*.c"))
	{
		$seen{$_} = 1 foreach slurp_file($file) =~ /JDG_FAULT\("([^"]+)"\)/g;
	}
	return @fault_points = grep { !$pattern || /$pattern/ } sort keys %seen;
}

sub pick
{
	my (@of) = @_;

	return $of[ rand @of ];
}

# Runs SQL as the superuser; does nothing if the server is down.
sub ask
{
	my ($t, $sql, $dbname) = @_;
	my ($out, $err) = ('', '');
	my $rc = eval {
		$t->{node}->psql($dbname // 'postgres', $sql, stdout => \$out, stderr => \$err, timeout => 60);
	};

	return defined $rc && $rc == 0 ? $out : undef;
}

# Settings that apply at the next reload or start.  ALTER SYSTEM needs a server that
# answers; a file does not.
sub change
{
	my ($t, %settings) = @_;

	$t->{changed}{$_} = $settings{$_} foreach keys %settings;
	delete $t->{changed}{$_} foreach grep { !defined $t->{changed}{$_} } keys %{ $t->{changed} };
	my $file = $t->{node}->data_dir . '/torture.conf';

	open(my $f, '>', "$file.new") or die "$file: $!";
	foreach my $setting (sort keys %{ $t->{changed} })
	{
		print $f "$setting = '$t->{changed}{$setting}'\n";
	}
	close($f);
	# in one step: a process may be reading it for the change before
	rename("$file.new", $file) or die "$file: $!";
	kill('HUP', $t->{node}->{_pid}) if defined $t->{node}->{_pid};
	return;
}

# The working directory of every process of the server is its data directory.
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
	# preferably one that runs a task
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

sub crash { my ($t) = @_; return strike($t, pick(qw(KILL SEGV QUIT ABRT)), pick(qw(worker worker http scheduler launcher client any))); }

sub terminate { my ($t) = @_; return join(', ', map { strike($t, 'TERM', pick(qw(worker worker scheduler launcher client))) } 1 .. 3); }

sub cancel { my ($t) = @_; return join(', ', map { strike($t, 'INT', pick(qw(worker worker scheduler launcher client))) } 1 .. 6); }

# a stopped process keeps its locks
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

# The soft limit, because a hard one cannot be raised again.  The postmaster comes
# first, so that its children inherit it.
sub limit_files
{
	my ($t, $bytes) = @_;

	foreach my $pid (grep { defined } $t->{node}->{_pid}, server_pids($t))
	{
		system("prlimit --pid $pid --fsize=$bytes: 2>/dev/null");
	}
	return;
}

# No file may grow past this size, so that no new segment of the WAL can be created:
# to the server, that is a full disk.  The limit of a process needs no privilege,
# unlike a full file system.
sub fill_disk
{
	my ($t) = @_;

	limit_files($t, 8 * 1024 * 1024);
	# until the existing segments are used up
	for (1 .. 12)
	{
		last if !defined ask($t, 'INSERT INTO torture.noise SELECT generate_series(1, 20000); SELECT pg_switch_wal()');
	}
	usleep(200_000);    # waits-for-time: how long the disk is full
	return 'the disk of the WAL is full';
}

# The old primary is killed, and the standby takes its place.  Commits are
# synchronous, so all acknowledged transactions are there.
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
	# not before the time of the server, by which the load plans ahead
	my $by = pick(2, 30, 400, 3600, 90_000, $t->{offset} >= 30 ? (-2, -30) : ());
	my $back = $t->{offset} + $by;

	change($t, 'jadugar.clock_offset' => $back);
	$t->{jumped} = 1;
	if (rand() < 0.4)
	{
		# and back by a part of it
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
		q(ALTER ROLE carol RENAME TO caroline; SELECT pg_sleep(0.2); ALTER ROLE caroline RENAME TO carol),    # waits-for-time: how long
		q(ALTER ROLE bob NOLOGIN), q(ALTER ROLE alice NOLOGIN; SELECT pg_sleep(0.2); ALTER ROLE alice LOGIN));    # waits-for-time: how long

	ask($t, $sql);
	return $sql;
}

# All tables are published for a while.
sub publish
{
	my ($t) = @_;

	ask($t, 'CREATE PUBLICATION torture FOR ALL TABLES') // return 'no publication could be made';
	usleep(200_000 + rand(500_000));    # waits-for-time: how long
	ask($t, 'DROP PUBLICATION torture');
	return 'all tables were published';
}

# Another database is copied and dropped, and its extension dropped, during work.
sub databases
{
	my ($t) = @_;

	ask($t, 'CREATE DATABASE second') // return 'no second database could be made';
	$t->{databases} = 1;
	ask($t, 'CREATE EXTENSION jadugar; CREATE TABLE effect (n int)', 'second');
	my $acked = ask($t, q(SELECT count(jadugar.enqueue('INSERT INTO effect SELECT 1 FROM pg_sleep(0.01)')) FROM generate_series(1, 30)), 'second');    # waits-for-time: for an event to hit
	my $how = pick(qw(template extension both));
	ask($t, 'CREATE DATABASE third TEMPLATE second') if $how ne 'extension';
	ask($t, 'DROP EXTENSION jadugar CASCADE; CREATE EXTENSION jadugar', 'second') if $how ne 'template';
	$t->{second} = $acked if $how eq 'template' && defined $acked;
	return "databases: $how";
}

# Any process that reaches the fault point first fails there.
sub fault
{
	my ($t) = @_;
	my $point = $t->{points} && @{ $t->{points} } ? shift @{ $t->{points} } : pick(@fault_points);
	# neither a signal handler nor the callbacks of a commit raise errors
	my $action = $point eq 'grace-over' ? 'kill9'
	  : $point =~ /^(commit-callback|delivery-telling)$/ ? pick(qw(kill9 sigsegv)) : pick(@fault_actions);

	unlink(glob($t->{node}->data_dir . '/jadugar_fault.*'));
	change($t, 'jadugar.fault' => "$point:$action");
	$t->{fault} = $point;
	# a partition is over, and an older one is to be dropped
	if ($point =~ /^event-leaf-/)
	{
		$t->{offset} += 90_000;
		$t->{jumped} = 1;
	}
	change($t, 'jadugar.clock_offset' => $t->{offset});
	return "fault point $point:$action";
}

my %events = (
	crash => \&crash, terminate => \&terminate, cancel => \&cancel, freeze => \&freeze,
	kill_server => \&kill_server, stop_server => \&stop_server, fill_disk => \&fill_disk,
	promote => \&promote, jump => \&jump, settings => \&settings, switch_off => \&switch_off,
	pools => \&pools, publish => \&publish, databases => \&databases, fault => \&fault);

sub events
{
	return sort keys %events;
}

sub happen
{
	my ($t, $name) = @_;

	return $events{$name}->($t);
}

# Waits until the server runs and answers, with its original settings.
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
	# a process that was just starting may have missed the change
	kill('HUP', $node->{_pid});
	ask($t, 'DROP PUBLICATION IF EXISTS torture');
	ask($t, q{DO 'BEGIN ALTER ROLE caroline RENAME TO carol; EXCEPTION WHEN undefined_object THEN NULL; END'});
	ask($t, join('; ', 'SELECT jadugar.resume_all()', q(SELECT jadugar.resume_queue('default')), q(SELECT jadugar.resume_queue('two')),
			map { ("ALTER ROLE $_ LOGIN", "SELECT jadugar.restart_workers(role => '$_')") } qw(alice bob carol)));
	return 1;
}

1;
