# Bench::Session: a connection that stays, by way of a psql behind two pipes.
package Bench::Session;

use strict;
use warnings;

use IPC::Open3;

# new(PSQL, DATABASE, ROLE); the server's socket is in PGHOST.
sub new
{
	my ($class, $psql, $db, $role) = @_;
	my ($in, $out);

	my $pid = open3($in, $out, undef, $psql, '-XqAt', '-v', 'ON_ERROR_STOP=1',
		'-U', $role, '-d', $db);
	$in->autoflush(1);
	binmode($_, ':encoding(UTF-8)') foreach $in, $out;
	return bless { pid => $pid, in => $in, out => $out, n => 0, db => $db }, $class;
}

# send(SQL): starts it; result() waits for it.  Statements end with a ";".
sub send
{
	my ($self, $sql) = @_;

	$self->{sql} = $sql;
	$self->{mark} = '=== ' . ++$self->{n};
	print { $self->{in} } "$sql\n;\n\\echo $self->{mark}\n";
	return;
}

# The rows as lines, columns separated by |.  Errors of the server end the run.
sub result
{
	my ($self) = @_;
	my $text = '';

	while (defined(my $line = readline($self->{out})))
	{
		chomp(my $text_of_line = $line);
		if ($text_of_line eq $self->{mark})
		{
			chomp $text;
			return $text;
		}
		$text .= $line;
	}
	die "in database $self->{db}:\n$self->{sql}\n$text";
}

sub query
{
	my ($self, $sql) = @_;

	$self->send($sql);
	return $self->result;
}

# The rows as references to arrays of columns.
sub rows
{
	my ($self, $sql) = @_;

	return map { [ split /\|/, $_, -1 ] } split /\n/, $self->query($sql);
}

sub close
{
	my ($self) = @_;

	return if !$self->{pid};
	close($self->{in});
	close($self->{out});
	waitpid($self->{pid}, 0);
	$self->{pid} = 0;
	return;
}

sub DESTROY
{
	local ($?, $@, $!);
	$_[0]->close;
	return;
}

1;
