# Bench::Stats: middles, ends and percentiles, and numbers as people read them.
package Bench::Stats;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max min sum0);

our @EXPORT = qw(median percentile mean summary number);

sub median
{
	return percentile(50, @_);
}

# percentile(P, VALUES): between two values it is interpolated.
sub percentile
{
	my ($p, @values) = @_;

	return if !@values;
	@values = sort { $a <=> $b } @values;
	my $at = $p / 100 * $#values;
	my $low = int($at);
	my $high = min($low + 1, $#values);
	return $values[$low] + ($at - $low) * ($values[$high] - $values[$low]);
}

sub mean
{
	return @_ ? sum0(@_) / @_ : undef;
}

# What a cell of a table needs of some runs.
sub summary
{
	my (@values) = @_;

	return { median => median(@values), min => min(@values), max => max(@values),
		n => scalar @values };
}

# Three digits that count, thousands apart; 12,345 rather than 12,300.
sub number
{
	my ($value) = @_;

	return '–' if !defined $value;
	return '0' if $value == 0;
	my $size = abs $value;
	my $text = $size >= 100 ? sprintf('%.0f', $value)
	  : $size >= 10 ? sprintf('%.1f', $value)
	  : $size >= 0.995 ? sprintf('%.2f', $value)
	  : sprintf('%.3f', $value);
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

1;
