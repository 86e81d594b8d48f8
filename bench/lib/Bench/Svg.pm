# Bench::Svg: plots of lines and bars without a library, as SVG that follows the
# reader's preference for light or dark.
package Bench::Svg;

use strict;
use warnings;

use Bench::Stats;
use List::Util qw(max min);
use POSIX ();

my ($width, $height) = (800, 420);
my ($left, $right, $top, $bottom) = (80, 240, 50, 60);
my @light = map { "#$_" } qw(0b62c4 c2410c 15803d 7e22ce a16207 be185d 0f766e 4b5563);
my @dark = map { "#$_" } qw(6cb0ff ff9a62 5fd38a c99bff e7c14b ff8fc0 4fd5c5 b4bcc8);

sub escape
{
	my ($text) = @_;

	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	return $text;
}

sub document
{
	my ($title, $h, @parts) = @_;
	my $style = sub {
		my ($ground, $ink, $faint, @series) = @_;
		return "svg{background:$ground}text{fill:$ink}.axis{stroke:$ink}.grid{stroke:$faint}"
		  . join('', map { ".l$_\{stroke:$series[$_]\}.f$_\{fill:$series[$_]\}" } 0 .. $#series);
	};

	return qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $h" width="$width" height="$h" role="img">\n}
	  . '<title>' . escape($title) . "</title>\n<style>"
	  . 'text{font:12px sans-serif}.title{font-size:15px;font-weight:bold}.axis,.grid{stroke-width:1}'
	  . '.line{fill:none;stroke-width:2}.range{stroke-width:1.5}'
	  . $style->('#ffffff', '#1f2328', '#d8dee4', @light)
	  . '@media (prefers-color-scheme: dark){' . $style->('#0d1117', '#e6edf3', '#30363d', @dark) . '}'
	  . qq{</style>\n}
	  . text(20, 26, $title, 'start', 'title')
	  . join('', @parts) . "</svg>\n";
}

sub text
{
	my ($x, $y, $words, $anchor, $class, $extra) = @_;

	return sprintf(qq{<text x="%.1f" y="%.1f" text-anchor="%s"%s%s>%s</text>\n}, $x, $y, $anchor // 'start',
		$class ? qq{ class="$class"} : '', $extra ? " $extra" : '', escape($words));
}

sub stroke
{
	my ($class, @xy) = @_;

	return sprintf(qq{<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>\n}, $class, @xy);
}

# Return the marks of an axis: powers of ten, or steps of 1, 2 or 5.
sub ticks
{
	my ($low, $high, $log) = @_;

	if ($log)
	{
		my ($from, $to) = map { log($_) / log(10) } $low, $high;
		return map { 10**$_ } int($from + ($from > 0 ? 0.999 : 0)) .. int($to + 1e-9);
	}
	my $raw = ($high - $low) / 5 || 1;
	my $power = 10**POSIX::floor(log($raw) / log(10));
	my ($step) = grep { $_ >= $raw } map { $_ * $power } 1, 2, 5, 10;
	my @ticks;
	for (my $at = POSIX::ceil($low / $step) * $step; $at <= $high + $step / 1000; $at += $step)
	{
		push @ticks, $at;
	}
	return @ticks;
}

# scale(LOW, HIGH, FROM, TO, LOG): return a function from value to position.
sub scale
{
	my ($low, $high, $from, $to, $log) = @_;
	my $f = $log ? sub { log($_[0]) } : sub { $_[0] };

	return sub {
		my ($value) = @_;
		$value = $low if $log && $value < $low;
		return $from + ($f->($value) - $f->($low)) / (($f->($high) - $f->($low)) || 1) * ($to - $from);
	};
}

# lines(title =>, x =>, y =>, log_x =>, log_y =>, xs => [marks],
#	series => [[name, [x, y, low, high]...]...])
sub lines
{
	my (%plot) = @_;
	my @points = map { my (undef, @p) = @$_; @p } @{ $plot{series} };
	my @parts;

	return undef if !@points;
	my @y = grep { defined && (!$plot{log_y} || $_ > 0) } map { @$_[ 1 .. $#$_ ] } @points;
	return undef if !@y;
	my ($y_low, $y_high) = ($plot{log_y} ? 10**POSIX::floor(log(min(@y)) / log(10)) : 0,
		$plot{log_y} ? 10**POSIX::ceil(log(max(@y)) / log(10) + 1e-9) : max(@y) * 1.05 || 1);
	$y_high = 10 * $y_low if $plot{log_y} && $y_high <= $y_low;
	my @x = map { $_->[0] } @points;
	my $x = scale(min(@x), max(@x), $left + 15, $width - $right - 15, $plot{log_x});
	my $y = scale($y_low, $y_high, $height - $bottom, $top, $plot{log_y});

	foreach my $at (ticks($y_low, $y_high, $plot{log_y}))
	{
		push @parts, stroke('grid', $left, $y->($at), $width - $right, $y->($at)),
		  text($left - 8, $y->($at) + 4, label($at), 'end');
	}
	foreach my $at ($plot{xs} ? (grep { $_ >= min(@x) && $_ <= max(@x) } @{ $plot{xs} }) : ticks(min(@x), max(@x), $plot{log_x}))
	{
		push @parts, stroke('axis', $x->($at), $height - $bottom, $x->($at), $height - $bottom + 5),
		  text($x->($at), $height - $bottom + 20, label($at), 'middle');
	}
	push @parts, stroke('axis', $left, $height - $bottom, $width - $right, $height - $bottom),
	  text(($left + $width - $right) / 2, $height - 14, $plot{x}, 'middle'),
	  text(0, 0, $plot{y}, 'middle', '', sprintf('transform="translate(18 %d) rotate(-90)"', ($top + $height - $bottom) / 2));

	my $n = 0;
	foreach my $series (@{ $plot{series} })
	{
		my ($name, @p) = @$series;
		my $k = $n % @light;

		push @parts, sprintf(qq{<polyline class="line l%d" points="%s"/>\n}, $k,
			join ' ', map { sprintf('%.1f,%.1f', $x->($_->[0]), $y->($_->[1])) } @p);
		foreach my $p (@p)
		{
			push @parts, stroke("range l$k", $x->($p->[0]), $y->($p->[2]), $x->($p->[0]), $y->($p->[3])) if @$p > 3;
			push @parts, sprintf(qq{<circle class="f%d" cx="%.1f" cy="%.1f" r="3"/>\n}, $k, $x->($p->[0]), $y->($p->[1]))
			  if @p < 30;
		}
		my $row = $top + 8 + 20 * $n++;
		push @parts, stroke("line l$k", $width - $right + 12, $row - 4, $width - $right + 32, $row - 4),
		  text($width - $right + 38, $row, $name);
	}
	return document($plot{title}, $height, @parts);
}

# bars(title =>, x =>, bars => [[name, value, low, high]...])
sub bars
{
	my (%plot) = @_;
	my @bars = grep { defined $_->[1] } @{ $plot{bars} };
	my ($begin, $row) = (230, 30);
	my @parts;

	return undef if !@bars;
	my $h = $top + $row * @bars + $bottom;
	my $high = (max(map { @$_[ 1 .. $#$_ ] } @bars) || 1) * 1.02;
	my $x = scale(0, $high, $begin, $width - 90);
	foreach my $at (ticks(0, $high))
	{
		push @parts, stroke('grid', $x->($at), $top, $x->($at), $h - $bottom),
		  text($x->($at), $h - $bottom + 18, label($at), 'middle');
	}
	foreach my $i (0 .. $#bars)
	{
		my ($name, $value, $low, $most) = @{ $bars[$i] };
		my $y = $top + $row * $i;

		push @parts, text($begin - 8, $y + 19, $name, 'end'),
		  sprintf(qq{<rect class="f%d" x="%.1f" y="%.1f" width="%.1f" height="%d"/>\n}, $i % @light, $begin, $y + 5, $x->($value) - $begin, $row - 10),
		  text(($x->($most // $value)) + 6, $y + 19, number($value));
		push @parts, stroke('axis', $x->($low), $y + $row / 2, $x->($most), $y + $row / 2) if defined $low;
	}
	push @parts, stroke('axis', $begin, $top, $begin, $h - $bottom), text(($begin + $width - 90) / 2, $h - 14, $plot{x}, 'middle');
	return document($plot{title}, $h, @parts);
}

# label(VALUE): format a mark, such as 1,000,000 or 0.5, without trailing zeros.
sub label
{
	my ($value) = @_;
	my $text = sprintf('%.12g', $value);

	return $text if $text =~ /e|\./;
	1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

1;
