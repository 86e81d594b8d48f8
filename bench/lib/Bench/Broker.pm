# Bench::Broker: a message broker from Debian's packages, Redis, NATS or RabbitMQ, on
# a private directory, socket or ports.
package Bench::Broker;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(remove_tree);
use IO::Socket::INET;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(usleep);

our @all = qw(redis nats rabbitmq);

my %program = (redis => 'redis-server', nats => 'nats-server', rabbitmq => 'rabbitmq-server');

# Reason why a broker is missing, or an empty string.
sub missing
{
	my ($which) = @_;

	return '' if program_of($which);
	return "the package $program{$which} is not installed";
}

# RabbitMQ's program in /usr/sbin runs as the user of the package only.
sub program_of
{
	my ($which) = @_;

	return (grep { -x } map { "$_/$program{$which}" } qw(/usr/lib/rabbitmq/bin /usr/bin /usr/sbin /usr/local/bin))[0];
}

# RabbitMQ's program has no option for that, but its directory is named after it.
sub version
{
	my ($which) = @_;
	my $program = program_of($which);
	my $text = $which eq 'rabbitmq' ? abs_path($program) : `'$program' --version`;

	return $text =~ /(\d+\.\d+\.\d+)/ ? $1 : 'unknown';
}

# start(WHICH, DIRECTORY): start a broker whose files are in this directory, which
# must not exist.  The log is beside it.
sub start
{
	my ($class, $which, $dir) = @_;
	my $self = bless { dir => $dir, pids => [] }, $class;

	mkdir($dir) or die "$dir: $!";
	$self->$which;
	return $self;
}

# Every write is synchronized, as a commit of PostgreSQL is.
sub redis
{
	my ($self) = @_;
	my $socket = "$self->{dir}/socket";

	$self->{env} = { BROKER => $socket };
	$self->launch(sub { -S $socket }, program_of('redis'), '--port', '0', '--unixsocket', $socket, '--dir', $self->{dir},
		'--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--daemonize', 'no');
	return;
}

# JetStream writes to files, but does not synchronize each message.
sub nats
{
	my ($self) = @_;
	my ($port) = free_ports(1);

	$self->{env} = { BROKER => "127.0.0.1:$port" };
	$self->launch(sub { answers($port) }, program_of('nats'), '--addr', '127.0.0.1', '--port', $port, '--jetstream',
		'--store_dir', $self->{dir});
	return;
}

# One node without plugins and without the machine's configuration.  The node
# registers its name with an epmd of its own, which must answer first: otherwise
# erl starts another one as a daemon.
sub rabbitmq
{
	my ($self) = @_;
	my $dir = $self->{dir};
	my ($port, $dist, $epmd) = free_ports(3);

	local %ENV = (
		%ENV,
		HOME => $dir,
		ERL_EPMD_PORT => $epmd,
		RABBITMQ_NODENAME => 'bench@localhost',
		RABBITMQ_NODE_IP_ADDRESS => '127.0.0.1',
		RABBITMQ_NODE_PORT => $port,
		RABBITMQ_DIST_PORT => $dist,
		RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS => '-kernel inet_dist_use_interface {127,0,0,1}',
		RABBITMQ_MNESIA_BASE => $dir,
		RABBITMQ_LOG_BASE => $dir,
		RABBITMQ_LOGS => '-',
		RABBITMQ_CONF_ENV_FILE => '/dev/null',
		RABBITMQ_CONFIG_FILE => "$dir/none",
		RABBITMQ_ADVANCED_CONFIG_FILE => "$dir/none",
		RABBITMQ_ENABLED_PLUGINS_FILE => "$dir/none",
		RABBITMQ_PLUGINS_EXPAND_DIR => "$dir/plugins",
		RABBITMQ_GENERATED_CONFIG_DIR => "$dir/generated",
		# The script becomes the server, instead of waiting for it.
		RABBITMQ_ALLOW_INPUT => 1);
	$self->{env} = { BROKER => "127.0.0.1:$port" };
	$self->launch(sub { answers($epmd) }, 'epmd', '-address', '127.0.0.1', '-port', $epmd);
	$self->launch(sub { answers($port) }, program_of('rabbitmq'), '-noinput');
	return;
}

sub free_ports
{
	my ($count) = @_;
	my @sockets = map { IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!" } 1 .. $count;

	return map { $_->sockport } @sockets;
}

sub answers
{
	my ($port) = @_;

	return defined IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
}

# launch(CODE, COMMAND...): start a process in a group of its own, and wait until
# CODE returns true.
sub launch
{
	my ($self, $answers, @command) = @_;
	my $log = "$self->{dir}.log";
	my $pid = fork() // die "fork: $!";

	if (!$pid)
	{
		setpgrp(0, 0);
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', $log);
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or _exit(1);
	}
	push @{ $self->{pids} }, $pid;
	for (1 .. 6000)
	{
		usleep(10_000);
		return if $answers->();
		die "$command[0] has gone, see $log\n" if waitpid($pid, WNOHANG) == $pid;
	}
	die "$command[0] does not answer, see $log\n";
}

# The environment of a driver.
sub env
{
	my ($self) = @_;

	return $self->{env}->%*;
}

# The last process goes first.
sub stop
{
	my ($self) = @_;

	while (my $pid = pop @{ $self->{pids} })
	{
		kill('-KILL', $pid);
		waitpid($pid, 0);
	}
	remove_tree($self->{dir});
	return;
}

sub DESTROY
{
	local ($?, $@, $!);
	$_[0]->stop;
	return;
}

1;
