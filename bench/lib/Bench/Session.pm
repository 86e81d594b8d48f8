# Bench::Session: a lasting connection, through psql behind two pipes.
package Bench::Session;

use strict;
use warnings;

use IPC::Open3;

# new(PSQL, DATABASE, ROLE): connect.  The environment variable PGHOST has the
# directory of the socket.
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

# send(SQL): start statements, which end with ";".  result() waits for them.
sub send
{
	my ($self, $sql) = @_;

	$self->{sql} = $sql;
	$self->{mark} = '=== ' . ++$self->{n};
	print { $self->{in} } "$sql\n;\n\\echo $self->{mark}\n";
	return;
}

# result(): return rows as lines, with columns separated by |.  An error of the
# server ends the run.
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

# rows(SQL): return rows as references to arrays of columns.
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
