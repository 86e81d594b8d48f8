# Bench::Report: write the results as Markdown, JSON and plots.
package Bench::Report;

use strict;
use warnings;

use Bench::Stats;
use Bench::Svg;
use Bench::Targets;
use JSON::PP;
use List::Util qw(first max);

# write(RUN, MACHINE, DIRECTORY)
sub write
{
	my ($run, $machine, $dir) = @_;
	my %plots = plots($run);

	save("$dir/$_.svg", $plots{$_}) foreach keys %plots;
	save("$dir/results.json", json($run, $machine));
	my $text = markdown($run, $machine, \%plots);
	save("$dir/results.md", $text);
	$run->say("\n$text");
	return;
}

# JSON with one value per line, so that runs can be compared by diff.
sub json
{
	my ($run, $machine) = @_;
	my $json = JSON::PP->new->canonical->allow_nonref;
	my $list = sub { return "[\n" . join(",\n", map { $json->encode($_) } @_) . "\n]" };

	return '{"facts": ' . $json->encode($machine->{facts}) . ', "targets": '
	  . $list->(map { { what => $_->[0], target => $_->[1], measured => $_->[2], met => $_->[3] eq 'met' ? JSON::PP::true : JSON::PP::false } } Bench::Targets::rows($run))
	  . ', "results": ' . $list->(map { { %$_, values => [ map { sprintf('%.5g', $_) + 0 } @{ $_->{values} } ] } } @{ $run->{results} })
	  . ', "notes": ' . $list->(@{ $run->{notes} }) . "}\n";
}

# All texts are undecoded UTF-8, as in the sources, so no encoding layer is set.
sub save
{
	my ($file, $text) = @_;

	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	close($out) or die "$file: $!";
	return;
}

sub table
{
	my ($head, @rows) = @_;

	return join('', map { "$_\n" } '| ' . join(' | ', @$head) . ' |', '|---' . '|---:' x $#$head . '|',
		map { '| ' . join(' | ', map { $_ // '–' } @$_) . ' |' } @rows) . "\n";
}

# Median and range of the runs: 12,345 (11,000 – 13,000).
sub cell
{
	my (@values) = @_;

	return if !@values;
	my $s = summary(@values);
	return number($s->{median}) if $s->{n} == 1;
	return sprintf('%s (%s–%s)', map { number($_) } @$s{qw(median min max)});
}

# by_x(RUN, MEASURE, METRIC, HEAD): one row for each competitor, one column for
# each x.
sub by_x
{
	my ($run, $measure, $metric, $corner, $unit) = @_;
	my @xs = $run->xs($measure, $metric);

	return table([ $corner, map { $_ eq '' ? $unit // $metric : number_of($_) . ($unit ? " $unit" : '') } @xs ],
		map { my $who = $_; [ $who, map { scalar cell($run->values($measure, $metric, $who, $_)) } @xs ] } $run->whos($measure, $metric));
}

sub number_of
{
	my ($x) = @_;

	return $x =~ /^\d+$/ ? $x < 100 ? $x : number($x) : $x;
}

# by_metric(RUN, MEASURE, METRICS, HEAD): one row for each competitor and x.
sub by_metric
{
	my ($run, $measure, $corner, $metrics, $x_head) = @_;
	my @rows;

	foreach my $who ($run->whos($measure, $metrics->[0]))
	{
		foreach my $x ($run->xs($measure, $metrics->[0], $who))
		{
			push @rows, [ $who, $x_head ? number_of($x) : (),
				map { scalar cell($run->values($measure, $_, $who, $x)) } @$metrics ];
		}
	}
	return table([ $corner, $x_head ? $x_head : (), @$metrics ], @rows);
}

# Limiting resource of each competitor at its best number of workers.
sub bounds
{
	my ($run) = @_;
	my @rows;

	foreach my $who ($run->whos('throughput', 'tasks/s'))
	{
		my ($rate, $x) = $run->best('throughput', 'tasks/s', $who);
		my %of = map { ($_ => $run->middle('throughput', $_, $who, $x)) } 'CPU µs a task', qw(cpu others wal_mb syncs sync_time);
		my $bound = $of{cpu} >= 85 ? $of{others} >= 15 ? 'CPU, taken by others' : 'CPU'
		  : $of{sync_time} >= 60 ? 'commits to disk' : 'waiting';
		push @rows, [ $who, $x, number($rate), sprintf('%.2f', $run->best('throughput', 'tasks/s', 'jadugar') / $rate),
			(map { number($of{$_}) } 'CPU µs a task', qw(cpu others wal_mb syncs sync_time)), $bound ];
	}
	return table([ 'best of', 'workers', 'tasks/s', 'jadugar is ×', 'CPU µs a task', 'CPU busy %', 'of it others %', 'WAL MB/s', 'syncs/s', '% of time in sync', 'bound by' ], @rows);
}

my @sections = (
	[ throughput => 'Throughput', 'throughput',
		'Tasks a second that each insert one row; median (lowest–highest), by number of workers (for npm\'s: of processes).',
		sub { by_x($_[0], 'throughput', 'tasks/s', 'tasks/s') . bounds($_[0]) } ],
	[ enqueue => 'Enqueue, one commit each', 'enqueue', 'Tasks a second by number of clients.',
		sub { by_x($_[0], 'enqueue', 'tasks/s', 'tasks/s', 'client(s)') } ],
	[ batch => 'Enqueue 100,000 in one batch', 'batch', '', sub { by_x($_[0], 'batch', 'tasks/s', '') } ],
	[ deliver => 'Deliver events', 'deliver',
		'Events a second, each of which inserts a row, by number of shards (for tasks: of workers); and from the acknowledged commit of an event to its handler.',
		sub { by_x($_[0], 'deliver', 'events/s', 'events/s') . by_x($_[0], 'deliver', 'set-based, events/s', 'many in a call') .
			by_metric($_[0], 'deliver', 'commit → handler', [ 'p50 ms', 'p99 ms' ]) } ],
	[ fetch => 'Fetch events', 'fetch', 'Events a second that consumers fetch and acknowledge, 100 at a time, by number of consumers; one commit for each of the two, or one for both.',
		sub { by_x($_[0], 'fetch', 'events/s', 'events/s', 'consumer(s)') } ],
	[ replay => 'Replay events', 'replay', 'A long log, handled again; the private memory of the workers meanwhile; and from the acknowledged commit of a live event to its handler.',
		sub { by_x($_[0], 'replay', 'events/s', 'events/s', '') . by_x($_[0], 'replay', 'MB more', 'MB more', '') .
			by_metric($_[0], 'replay', 'commit → handler', [ 'p50 ms', 'p99 ms' ]) } ],
	[ publish => 'Publish events', 'publish', 'Events a second, one commit each, by number of clients; 100,000 in one batch.',
		sub { by_x($_[0], 'publish', 'events/s', 'events/s', 'client(s)') . by_x($_[0], 'publish', 'batch, events/s', '') } ],
	[ latency => 'Start latency', 'latency', 'From the acknowledgement of enqueue\'s commit to the start of the task; of each run the percentile, then median (lowest–highest) of the runs.',
		sub { by_metric($_[0], 'latency', '', [ 'p50 ms', 'p99 ms' ]) } ],
	[ lateness => 'Lateness of schedules', 'lateness', 'From the instant of the schedule to the start of its task.',
		sub { by_metric($_[0], 'lateness', '', [ 'p50 ms', 'p99 ms', 'max ms' ], 'at one instant') } ],
	[ idle => 'Nothing to do', 'idle', '', sub { by_metric($_[0], 'idle', '', [ 'wake-ups/s', 'CPU ms/min', 'transactions/min' ]) } ],
	[ schedules => 'Schedules none of which is due', 'schedules', '',
		sub { by_metric($_[0], 'schedules', '', [ 'make one, ms', 'change one, ms', 'wake-ups/s', 'CPU %', 'memory MB', 'made/s', 'fire: late, ms', 'fire: CPU ms' ], 'schedules') } ],
	[ snapshot => 'One transaction left open', 'snapshot', 'Tasks a second over the whole run, and in its last five seconds; CPU of all processes, enqueueing included.',
		sub { by_metric($_[0], 'snapshot', '', [ 'tasks/s', 'at the end', 'CPU µs a task' ], 'open transaction') } ],
	[ limits => 'Limits and tenants', 'limits',
		'Tasks a second of two workers without tenants and with 4,000 that take turns; the time for which a task of one tenant waits behind 100,000 of another; starts of a queue with a rate, of 100 that it allows, and starts beyond it in any stretch of time.',
		sub { by_x($_[0], 'limits', 'tasks/s', 'tasks/s', '') . by_metric($_[0], 'limits', '', [ 'behind, p50 ms', 'behind, p99 ms', 'begun of 100', 'beyond the burst' ]) } ],
	[ actors => 'Actors and the cache', 'actors',
		'Messages a second, each of which inserts a row and changes a state, two workers; executions a second of a prepared statement by one session; how often 100 sessions computed one value.',
		sub { by_x($_[0], 'actors', 'messages/s', 'messages/s', '') . by_x($_[0], 'actors', 'hits/s', 'hits/s', '') . by_x($_[0], 'actors', 'computed', 'computed', 'session(s)') } ],
	[ http => 'HTTP tasks', 'http',
		'Requests a second to a local nginx with 16 connections, with history kept; CPU of the process that sends them, a request. From the acknowledgement of the commit to the answer, by the clock of nginx in milliseconds. What all processes of jadugar do while tasks wait for a breaker.',
		sub { by_x($_[0], 'http', 'requests/s', 'requests/s', '') . by_x($_[0], 'http', 'process CPU µs', 'CPU µs a request', '') .
			by_metric($_[0], 'http', 'answered', [ 'p50 ms', 'p99 ms' ]) .
			by_metric($_[0], 'http', '', [ 'wake-ups', 'transactions', 'blocks read', 'WAL bytes' ], 'tasks') } ],
	[ flows => 'Flows', 'flows',
		'A step that inserts a row, beside a plain task that does the same; starting (enqueueing) included, ratios against the plain tasks beside it. Then from the acknowledgement of start_flow()\'s commit to the end of a chain of three, on an idle server. Then large ones, two workers. Then events, each of which ends one wait, beside open waits for other keys.',
		sub {
			by_metric($_[0], 'flows', 'a step', [ 'CPU µs a step', 'µs a step', 'CPU, × plain', 'time, × plain' ], 'started')
			  . by_metric($_[0], 'flows', 'until', [ 'p50 ms', 'p99 ms' ])
			  . by_metric($_[0], 'flows', 'large', [ 'seconds', 'steps/s', '× plain tasks' ])
			  . by_metric($_[0], 'flows', '', [ 'µs an event', '× beside 10' ], 'open waits')
		} ]);

sub markdown
{
	my ($run, $machine, $plots) = @_;
	my $text = "# Results of the benchmark\n\n[doc/benchmark.md](../../doc/benchmark.md) explains the numbers. All runs are in [results.json](results.json).\n\n";
	my @targets = Bench::Targets::rows($run);

	$text .= "- $_: $machine->{facts}{$_}\n" foreach grep { defined $machine->{facts}{$_} } @{ $machine->{order} }, 'Time taken';
	$text .= "\n## Targets\n\n" . table([ 'measure', 'target', 'measured', '' ], @targets) if @targets;
	foreach my $section (@sections)
	{
		my ($measure, $title, $plot, $words, $code) = @$section;

		next if !first { $_->{measure} eq $measure } @{ $run->{results} };
		$text .= "## $title\n\n" . ($words ? "$words\n\n" : '') . $code->($run);
		$text .= join('', map { "![$title]($_.svg)\n" } sort grep { /^\Q$plot\E(-|$)/ } keys %$plots) . "\n";
	}
	$text .= "## Notes\n\n" . join('', map { "- $_\n" } @{ $run->{notes} }) if @{ $run->{notes} };
	return $text =~ s/\n+\z/\n/r;
}

# series(RUN, MEASURE, METRIC): return series for Svg::lines.
sub series
{
	my ($run, $measure, $metric) = @_;

	return map {
		my $who = $_;
		[ $who, map { my $s = summary($run->values($measure, $metric, $who, $_)); [ $_, $s->{median}, $s->{min}, $s->{max} ] }
			  $run->xs($measure, $metric, $who) ]
	} $run->whos($measure, $metric);
}

# bars_of(RUN, MEASURE, METRIC, X): return bars for Svg::bars.
sub bars_of
{
	my ($run, $measure, $metric, $x) = @_;

	return map { my $s = summary($run->values($measure, $metric, $_, $x)); $s->{n} ? [ $_, $s->{median}, $s->{min}, $s->{max} ] : () }
	  $run->whos($measure, $metric);
}

sub plots
{
	my ($run) = @_;
	my %plots = (
		throughput => Bench::Svg::lines(title => 'Tasks that each insert one row', x => 'workers, or processes of a peer', y => 'tasks a second',
			log_x => 1, xs => [ $run->xs('throughput', 'tasks/s') ], series => [ series($run, 'throughput', 'tasks/s') ]),
		enqueue => Bench::Svg::bars(title => 'Enqueue, one commit each, one client', x => 'tasks a second',
			bars => [ bars_of($run, 'enqueue', 'tasks/s', 1) ]),
		batch => Bench::Svg::bars(title => 'Enqueue 100,000 in one batch', x => 'tasks a second',
			bars => [ bars_of($run, 'batch', 'tasks/s', '') ]),
		latency => Bench::Svg::lines(title => 'Start latency', x => 'percentile', y => 'milliseconds after the acknowledgement (0.01: or before)', log_y => 1, xs => [ 10, 25, 50, 75, 90, 99 ],
			series => [ map { my @ms = $run->values('latency', 'ms', $_, ''); my $who = $_;
					[ $who, map { [ $_, max(0.01, percentile($_, @ms)) ] } 10, 25, 50, 75, 90, 95, 99 ] } $run->whos('latency', 'ms') ]),
		lateness => Bench::Svg::lines(title => 'Lateness of schedules, p99', x => 'schedules at one instant', y => 'milliseconds',
			log_x => 1, log_y => 1, series => [ series($run, 'lateness', 'p99 ms') ]),
		idle => Bench::Svg::bars(title => 'Nothing to do: wake-ups', x => 'wake-ups a second', bars => [ bars_of($run, 'idle', 'wake-ups/s', '') ]),
		'schedules-memory' => Bench::Svg::lines(title => 'Memory of the scheduler', x => 'schedules', y => 'MB', log_x => 1, series => [ series($run, 'schedules', 'memory MB') ]),
		'schedules-cost' => Bench::Svg::lines(title => 'Changing one schedule', x => 'schedules', y => 'milliseconds', log_x => 1, series => [ series($run, 'schedules', 'change one, ms') ]),
		snapshot => Bench::Svg::lines(title => 'One transaction left open', x => 'seconds', y => 'tasks a second', series => [
				map { my $metric = $_; map { [ "$_->[0], " . ($metric =~ /with$/ ? 'open' : 'none'), @$_[ 1 .. $#$_ ] ] } series($run, 'snapshot', $metric) }
				  'second by second, without', 'second by second, with' ]));

	return map { defined $plots{$_} ? ($_ => $plots{$_}) : () } keys %plots;
}

1;
