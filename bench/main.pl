#!/usr/bin/perl
# main.pl: run the measures.  bench/run starts it as the unprivileged user.  It
# reads QUICK, ONLY, ROUNDS and NO_PEERS from the environment.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__)) . '/lib';

use Bench::Broker;
use Bench::Machine;
use Bench::Peer;
use Bench::Proc;
use Bench::Report;
use Bench::Run;
use Bench::Server;
use Time::HiRes qw(time);

my @measures = qw(Throughput EnqueueSingle EnqueueBatch Publish Deliver Fetch Replay Latency Lateness Idle Schedules Snapshot Flows Limits Actors Http);

my $bench = dirname(abs_path(__FILE__));
my %arg = map { /^(\w+)=(.*)$/s ? ($1 => $2) : die "not NAME=VALUE: $_" } @ARGV;
my $started = time();

my $server = Bench::Server->new(bindir => $arg{bindir}, dir => $arg{work}, socket => $arg{socket});
$Bench::Peer::node = $arg{node};
$Bench::Peer::dir = $arg{npm};
my $run = Bench::Run->new(
	server => $server,
	bench => $bench,
	client => "$arg{clients}/client",
	consume => "$arg{clients}/consume",
	requests => "$arg{clients}/requests",
	quick => $ENV{QUICK} ? 1 : 0,
	rounds => $ENV{ROUNDS} || 0,
	cores => cores(),
	have => {
		npm => $ENV{NO_PEERS} ? 'not asked for' : $arg{no_npm},
		cron => $ENV{NO_PEERS} ? 'not asked for' : $arg{no_cron},
		pgq => $ENV{NO_PEERS} ? 'not asked for' : $arg{no_pgq},
		map { ($_ => $ENV{NO_PEERS} ? 'not asked for' : Bench::Broker::missing($_)) } @Bench::Broker::all });

my %only = map { (lc($_) => 1) } split /[\s,]+/, $ENV{ONLY} // '';
foreach my $measure (@measures)
{
	require "Bench/Measure/$measure.pm";
}
sub name_of
{
	no strict 'refs';
	return ${"Bench::Measure::$_[0]::name"};
}
my @chosen = grep { !%only || $only{ name_of($_) } } @measures;
delete @only{ map { name_of($_) } @measures };
die 'no measure is called ' . join(', ', sort keys %only) . "; there are:\n"
  . join('', map { '  ' . name_of($_) . "\n" } @measures)
  if %only;

my %settings = Bench::Machine::settings($arg{socket});
$server->init(%settings);
$server->start('jadugar');
my $machine = Bench::Machine::describe($run, %arg);
$run->say("$_: $machine->{facts}{$_}") foreach @{ $machine->{order} };

foreach my $measure (@chosen)
{
	my $begin = time();
	my $before = $server->meters;

	$run->say("\n" . name_of($measure));
	my $ok = eval { "Bench::Measure::$measure"->can('measure')->($run); 1 };
	$run->note('The measure ' . name_of($measure) . " ended early: $@" =~ s/\s+$//r) if !$ok;
	$run->{failed}++ if !$ok;
	my $after = $server->meters;
	my $others = $server->used($before, $after, $after)->{others};
	$run->keep('machine', 'others %', name_of($measure), '', $others);
	$run->note(sprintf('While %s was measured, processes that have nothing to do with it took %.0f %% of the machine.',
			name_of($measure), $others))
	  if $others >= 3;
	$run->say(sprintf('  (%.0f s)', time() - $begin));
}
$server->stop;
$machine->{facts}{'Time taken'} = sprintf('%.0f min', (time() - $started) / 60);
Bench::Report::write($run, $machine, $arg{results});
exit($run->{failed} ? 1 : 0);
