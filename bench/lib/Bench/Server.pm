# Bench::Server: the one private cluster, and a fresh database for each run.
package Bench::Server;

use strict;
use warnings;

use Bench::Proc;
use Bench::Session;
use POSIX ();
use Time::HiRes qw(time usleep);

our $role = 'bench';    # what everybody connects as

# new(bindir =>, dir =>, socket =>): dir is empty, socket a directory for it.
sub new
{
	my ($class, %self) = @_;
	my $self = bless { %self, data => "$self{dir}/data", preload => '', n => 0, gone => 0 }, $class;

	$ENV{PGHOST} = $self->{socket};
	delete @ENV{ grep { /^PG(PORT|DATABASE|USER|OPTIONS|SERVICE)/ } keys %ENV };
	return $self;
}

sub program
{
	my ($self, $name) = @_;

	return "$self->{bindir}/$name";
}

# run(LOG, COMMAND...): to its end, its output to a file beside the cluster.
sub run
{
	my ($self, $log, @command) = @_;

	return $self->run_together($log, \@command);
}

# run_together(LOG, COMMANDS): all of them at once.
sub run_together
{
	my ($self, $log, @commands) = @_;
	my %running;

	foreach my $command (@commands)
	{
		my $pid = fork // die "fork: $!";
		if (!$pid)
		{
			open(STDOUT, '>>', "$self->{dir}/$log") or die "$log: $!";
			open(STDERR, '>&', \*STDOUT) or die;
			exec(@$command) or die "$command->[0]: $!";
		}
		$running{$pid} = $command->[0];
	}
	my $failed;
	foreach my $pid (keys %running)
	{
		waitpid($pid, 0);
		$failed //= $running{$pid} if $?;
	}
	die "$failed failed, see $self->{dir}/$log\n" if defined $failed;
	return;
}

# init(SETTING => VALUE...): makes the cluster.
sub init
{
	my ($self, %settings) = @_;

	$self->run('initdb.log', $self->program('initdb'), '-D', $self->{data},
		'-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale');
	open(my $conf, '>>', "$self->{data}/postgresql.conf") or die "postgresql.conf: $!";
	%settings = (%settings, listen_addresses => '', unix_socket_directories => $self->{socket});
	print $conf "$_ = '$settings{$_}'\n" foreach sort keys %settings;
	close($conf) or die;
	return;
}

# start(LIBRARY...): (re)starts it with these preloaded, unless it runs so.
sub start
{
	my ($self, @libraries) = @_;
	my $preload = join(',', @libraries);

	return if $self->{running} && $self->{preload} eq $preload;
	$self->stop;
	$self->run('pg_ctl.log', $self->program('pg_ctl'), '-s', '-w', '-t', '120',
		'-D', $self->{data}, '-l', "$self->{dir}/server.log",
		'-o', "-c shared_preload_libraries='$preload'", 'start');
	$self->{running} = 1;
	$self->{preload} = $preload;
	return;
}

sub stop
{
	my ($self) = @_;

	return if !$self->{running};
	delete $self->{admin};
	my $before = ours($self->{data});
	$self->run('pg_ctl.log', $self->program('pg_ctl'), '-s', '-w', '-t', '120',
		'-D', $self->{data}, '-m', 'fast', 'stop');
	$self->{running} = 0;
	$self->{gone} += $before - ours($self->{data});
	return;
}

# session(DB [, ROLE]): a new connection.
sub session
{
	my ($self, $db, $as) = @_;

	return Bench::Session->new($self->program('psql'), $db, $as // $role);
}

# admin(SQL): as superuser, in database postgres; the same connection each time.
sub admin
{
	my ($self, $sql) = @_;

	$self->{admin} //= $self->session('postgres', 'postgres');
	return $self->{admin}->query($sql);
}

# set(SETTING => VALUE...): for all sessions; returns when processes that start
# from now on see it.
sub set
{
	my ($self, %settings) = @_;

	$self->admin("ALTER SYSTEM SET $_ = '$settings{$_}'") foreach sort keys %settings;
	$self->admin('SELECT pg_reload_conf()');
	foreach my $name (sort keys %settings)
	{
		usleep(10_000) until $self->admin(
			"SELECT setting = '$settings{$name}' OR current_setting(name) = '$settings{$name}' "
			  . "FROM pg_settings WHERE name = '$name'") eq 't';
	}
	return;
}

# fresh(WHAT): a new database that belongs to the role; what() = jadugar puts
# the extension into it.
sub fresh
{
	my ($self, $what) = @_;
	my $db = $what . '_' . ++$self->{n};

	$self->admin("DO \$\$ BEGIN CREATE ROLE $role LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$");
	$self->admin("CREATE DATABASE $db OWNER $role");
	return $db;
}

sub drop
{
	my ($self, $db) = @_;

	$self->admin("DROP DATABASE $db WITH (FORCE)");
	return;
}

# settle(DB): statistics up to date, nothing left for a checkpoint to do.
sub settle
{
	my ($self, $db) = @_;
	my $session = $self->session($db, 'postgres');

	$session->query('VACUUM ANALYZE');
	$session->query('CHECKPOINT');
	return;
}

# poll(CODE, WHAT [, SECONDS [, PAUSE]]): until it returns true; dies at the
# deadline.
sub poll
{
	my ($self, $code, $what, $seconds, $pause) = @_;
	my $end = time() + ($seconds // 120);

	until ($code->())
	{
		die "not within time: $what\n" if time() > $end;
		usleep(1e6 * ($pause // 0.02));
	}
	return;
}

# meters(): what the whole machine and the server have done so far.
sub meters
{
	my ($self) = @_;
	my ($busy, $idle) = (0, 0);

	my (undef, @ticks) = split ' ', slurp('/proc/stat') =~ s/\n.*//sr;
	$idle = $ticks[3] + $ticks[4];
	$busy += $_ foreach @ticks[ 0, 1, 2, 5, 6, 7 ];    # the last is another machine's
	my $stat = $self->admin('SHOW server_version_num') >= 180000
	  ? q{(SELECT sum(fsyncs) AS n, sum(fsync_time) AS ms FROM pg_stat_io WHERE object = 'wal')}
	  : '(SELECT wal_sync AS n, wal_sync_time AS ms FROM pg_stat_wal)';
	my ($wal, $syncs, $sync_ms) = split /\|/, $self->admin(
		"SELECT pg_current_wal_insert_lsn() - '0/0', s.n, s.ms FROM $stat s");
	return { at => time(), busy => $busy, idle => $idle, ours => ours($self->{data}) + $self->{gone},
		wal => $wal, syncs => $syncs, sync_ms => $sync_ms };
}

# used(BEFORE, AFTER, LATE): as rates.  Server processes report their syncs
# late, at the latest when they leave.
sub used
{
	my ($self, $before, $after, $late) = @_;
	my %d = map { ($_ => $after->{$_} - $before->{$_}) } keys %$before;
	my $ticks = $d{busy} + $d{idle} || 1;

	return {
		cpu => 100 * $d{busy} / $ticks,
		others => $d{busy} > $d{ours} ? 100 * ($d{busy} - $d{ours}) / $ticks : 0,
		cpu_s => $d{ours} / POSIX::sysconf(POSIX::_SC_CLK_TCK()),
		wal_mb => $d{wal} / $d{at} / 1e6,
		syncs => ($late->{syncs} - $before->{syncs}) / $d{at},
		sync_time => ($late->{sync_ms} - $before->{sync_ms}) / $d{at} / 10,
	};
}

1;
