# Bench::Peer: a node process that drives an npm package; see bench/peers.
package Bench::Peer;

use strict;
use warnings;

use IO::Select;
use IPC::Open3;
use Time::HiRes qw(time usleep);

our ($node, $dir);    # the program, and where the drivers and modules are

# Reason why node is missing, or an empty string.
our $missing = 'not looked for';

# start(DRIVER, VERB, DB, NAME => VALUE...): start a driver with these variables
# in its environment.
sub start
{
	my ($class, $driver, $verb, $db, %env) = @_;
	my ($in, $out);

	local %ENV = (%ENV, PGDATABASE => $db, PGUSER => $Bench::Server::role, %env);
	my $pid = open3($in, $out, undef, $node, "$dir/$driver.mjs", $verb);
	$in->autoflush(1);
	return bless { pid => $pid, in => $in, out => $out, what => "$driver $verb", text => '' },
	  $class;
}

sub tell
{
	my ($self, $word) = @_;

	print { $self->{in} } "$word\n";
	return;
}

# line(SECONDS): return the next line of its output, or undef after that time.
sub line
{
	my ($self, $seconds) = @_;
	my $end = time() + $seconds;

	for (;;)
	{
		return $1 if $self->{text} =~ s/^([^\n]*)\n//;
		my $left = $end - time();
		return if $left < 0 || !IO::Select->new($self->{out})->can_read($left);
		if (!sysread($self->{out}, $self->{text}, 65536, length $self->{text}))
		{
			waitpid($self->{pid}, 0);
			my $failed = $?;
			$self->{pid} = 0;
			die "$self->{what} has gone: $self->{text}\n" if $failed;
			return;
		}
	}
}

# expect(WORD [, SECONDS]): wait for a line with that word, and return the rest
# of that line.
sub expect
{
	my ($self, $word, $seconds) = @_;
	my @seen;

	while (defined(my $line = $self->line($seconds // 60)))
	{
		return $1 if $line =~ /^\Q$word\E\s*(.*)/;
		push @seen, $line;
	}
	die "$self->{what} did not say $word: @seen[-10 .. -1]\n" if @seen > 10;
	die "$self->{what} did not say $word: @seen\n";
}

# stop(): ask the process to end, wait for it, and return its remaining output.
sub stop
{
	my ($self) = @_;
	my @lines;

	if ($self->{pid})
	{
		$self->tell('stop');
		while ($self->{pid})
		{
			my $line = $self->line(30);
			last if !defined $line;
			push @lines, $line;
		}
	}
	$self->end;
	return @lines;
}

sub end
{
	my ($self) = @_;

	return if !$self->{pid};
	kill('KILL', $self->{pid});
	waitpid($self->{pid}, 0);
	$self->{pid} = 0;
	return;
}

sub DESTROY
{
	local ($?, $@, $!);
	$_[0]->end;
	return;
}

# progress(PEERS, COUNT, SECONDS [, CODE]): wait until the peers together have
# completed COUNT tasks.  Return pairs of a time and the number of tasks completed
# then.  Call CODE with the total.
sub progress
{
	my ($peers, $count, $seconds, $code) = @_;
	my $select = IO::Select->new(map { $_->{out} } @$peers);
	my %of = map { ($_->{out} => $_) } @$peers;
	my $end = time() + $seconds;
	my $done = 0;
	my @points;

	while ($done < $count && time() < $end)
	{
		foreach my $out ($select->can_read(0.1))
		{
			my $peer = $of{$out};

			while (defined(my $line = $peer->line(0)))
			{
				next if $line !~ /^done (\d+) (\d+)/;
				$done += $1;
				push @points, [ $2 / 1e6, $1 ];
			}
			die "$peer->{what} has gone\n" if !$peer->{pid};
		}
		$code->($done) if $code;
	}
	return @points;
}

1;
