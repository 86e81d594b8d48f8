# Bench::Run: the state that all measures of a run share: the server, the options
# and the results.
package Bench::Run;

use strict;
use warnings;

use Bench::Stats;

# new(server =>, quick =>, cores =>, have => {peer => reason why missing, or ''})
sub new
{
	my ($class, %self) = @_;

	return bless { %self, results => [], notes => [], checks => 0 }, $class;
}

# pick(QUICK, FULL): return the value for this kind of run.
sub pick
{
	my ($self, $quick, $full) = @_;

	return $self->{quick} ? $quick : $full;
}

# rounds([QUICK, FULL]): return the number of rounds.
sub rounds
{
	my ($self, $quick, $full) = @_;

	return $self->{rounds} || $self->pick($quick // 2, $full // 3);
}

sub has
{
	my ($self, $peer) = @_;

	return !$self->{have}{$peer};
}

# add(MEASURE, METRIC, WHO, X, VALUE...): record and print values.  X is the
# parameter that varies, or ''.
sub add
{
	my ($self, $measure, $metric, $who, $x, @values) = @_;

	$self->keep($measure, $metric, $who, $x, @values);
	my $text = @values > 3
	  ? sprintf('%d values, median %s', scalar @values, number(median(@values)))
	  : join(' ', map { number($_) } @values);
	$self->say(sprintf('  %-16s %-32s %9s  %s', $metric, $who, $x, $text));
	return;
}

# keep(...): record values without printing them.
sub keep
{
	my ($self, $measure, $metric, $who, $x, @values) = @_;
	my ($entry) = grep {
		$_->{measure} eq $measure && $_->{metric} eq $metric && $_->{who} eq $who && $_->{x} eq $x
	} @{ $self->{results} };

	if (!$entry)
	{
		$entry = { measure => $measure, metric => $metric, who => $who, x => $x, values => [] };
		push @{ $self->{results} }, $entry;
	}
	push @{ $entry->{values} }, map { $_ + 0 } @values;
	return;
}

# values(MEASURE, METRIC, WHO, X): return the values of all rounds.
sub values
{
	my ($self, $measure, $metric, $who, $x) = @_;

	foreach my $entry (@{ $self->{results} })
	{
		return @{ $entry->{values} }
		  if $entry->{measure} eq $measure && $entry->{metric} eq $metric && $entry->{who} eq $who && $entry->{x} eq $x;
	}
	return;
}

# middle(...): return the median of these values, or undef if there are none.
sub middle
{
	my ($self, @key) = @_;

	return median($self->values(@key));
}

# whos(MEASURE, METRIC), xs(MEASURE, METRIC [, WHO]): return competitors or
# values of X, in order of appearance.
sub whos
{
	my ($self, $measure, $metric) = @_;
	my %seen;

	return grep { !$seen{$_}++ } map { $_->{who} }
	  grep { $_->{measure} eq $measure && $_->{metric} eq $metric } @{ $self->{results} };
}

sub xs
{
	my ($self, $measure, $metric, $who) = @_;
	my %seen;

	return grep { !$seen{$_}++ } map { $_->{x} } grep {
		$_->{measure} eq $measure && $_->{metric} eq $metric && (!defined $who || $_->{who} eq $who)
	} @{ $self->{results} };
}

# best(MEASURE, METRIC, WHO): return the highest median of all X, and its X.
sub best
{
	my ($self, $measure, $metric, $who) = @_;
	my ($best, $at);

	foreach my $x ($self->xs($measure, $metric, $who))
	{
		my $value = $self->middle($measure, $metric, $who, $x);
		($best, $at) = ($value, $x) if defined $value && (!defined $best || $value > $best);
	}
	return wantarray ? ($best, $at) : $best;
}

# note(TEXT): add a note to the results.
sub note
{
	my ($self, $text) = @_;

	push @{ $self->{notes} }, $text if !grep { $_ eq $text } @{ $self->{notes} };
	$self->say("  note: $text");
	return;
}

# same(NAME, GOT, EXPECTED): end the run if a result is wrong.
sub same
{
	my ($self, $what, $got, $expected) = @_;

	die "$what: $got instead of $expected\n" if $got ne $expected;
	$self->{checks}++;
	return;
}

sub say
{
	my ($self, $text) = @_;

	local $| = 1;
	print "$text\n";
	return;
}

1;
