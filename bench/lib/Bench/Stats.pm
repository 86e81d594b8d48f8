# Bench::Stats: medians, ranges, percentiles, and formatted numbers.
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

# percentile(P, VALUES): return a percentile, interpolated between two values.
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

# Return the values of a cell of a table.
sub summary
{
	my (@values) = @_;

	return { median => median(@values), min => min(@values), max => max(@values),
		n => scalar @values };
}

# Format with at most three significant digits, but keep all digits of numbers
# above 1,000: 12,345, not 12,300.
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
