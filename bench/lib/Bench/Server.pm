# Bench::Server: a private cluster, with a new database for each measurement.
package Bench::Server;

use strict;
use warnings;

use Bench::Proc;
use Bench::Session;
use POSIX ();
use Time::HiRes qw(time usleep);

our $role = 'bench';    # role of all sessions of measures

# new(bindir =>, dir =>, socket =>): dir is an empty directory for the data,
# socket a directory for the socket.
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

# run(LOG, COMMAND...): run a command, and write its output to a file beside the
# cluster.
sub run
{
	my ($self, $log, @command) = @_;

	return $self->run_together($log, \@command);
}

# run_together(LOG, COMMANDS): run commands at the same time.
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

# init(SETTING => VALUE...): create the cluster.
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

# start(LIBRARY...): start or restart the server with these libraries preloaded.
# Do nothing if it runs with them already.
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

# session(DB [, ROLE]): open a connection.
sub session
{
	my ($self, $db, $as) = @_;

	return Bench::Session->new($self->program('psql'), $db, $as // $role);
}

# admin(SQL): run SQL as superuser in database postgres, in one lasting session.
sub admin
{
	my ($self, $sql) = @_;

	$self->{admin} //= $self->session('postgres', 'postgres');
	return $self->{admin}->query($sql);
}

# set(SETTING => VALUE...): change settings of the server.  Return when newly
# started processes see them.
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

# fresh(NAME): create a database owned by the role.  The name jadugar also
# creates the extension in it.
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

# settle(DB): update statistics and run a checkpoint.
sub settle
{
	my ($self, $db) = @_;
	my $session = $self->session($db, 'postgres');

	$session->query('VACUUM ANALYZE');
	$session->query('CHECKPOINT');
	return;
}

# poll(CODE, NAME [, SECONDS [, PAUSE]]): call CODE until it returns true.  Die at
# the deadline.
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

# meters(): return the counters of the machine and the server.
sub meters
{
	my ($self) = @_;
	my ($busy, $idle) = (0, 0);

	my (undef, @ticks) = split ' ', slurp('/proc/stat') =~ s/\n.*//sr;
	$idle = $ticks[3] + $ticks[4];
	$busy += $_ foreach @ticks[ 0, 1, 2, 5, 6, 7 ];    # field 7 is time stolen by another machine
	my $stat = $self->admin('SHOW server_version_num') >= 180000
	  ? q{(SELECT sum(fsyncs) AS n, sum(fsync_time) AS ms FROM pg_stat_io WHERE object = 'wal')}
	  : '(SELECT wal_sync AS n, wal_sync_time AS ms FROM pg_stat_wal)';
	my ($wal, $syncs, $sync_ms) = split /\|/, $self->admin(
		"SELECT pg_current_wal_insert_lsn() - '0/0', s.n, s.ms FROM $stat s");
	return { at => time(), busy => $busy, idle => $idle, ours => ours($self->{data}) + $self->{gone},
		wal => $wal, syncs => $syncs, sync_ms => $sync_ms };
}

# used(BEFORE, AFTER, LATE): return differences of meters as rates.  Syncs come
# from LATE: server processes report them with a delay, at the latest at exit.
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
