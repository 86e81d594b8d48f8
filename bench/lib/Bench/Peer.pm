# Bench::Peer: a node process that drives one of npm's peers; see peers/.
package Bench::Peer;

use strict;
use warnings;

use IO::Select;
use IPC::Open3;
use Time::HiRes qw(time usleep);

our ($node, $dir);    # the program, and where the drivers and modules are

# Why there is none, or nothing.
our $missing = 'not looked for';

# start(DRIVER, VERB, DB, NAME => VALUE...): the values go into its environment.
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

# line(SECONDS): the next line it writes, undef if none in that time.
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

# expect(WORD [, SECONDS]): what follows that word on the line that has it.
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

# stop(): asks it to, waits until it has gone, and returns what it still said.
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

# progress(PEERS, COUNT, SECONDS [, CODE]): until together they have done so
# many; pairs of the moment and how many it was then.  CODE is told as well.
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
