# A short run of the crash machine, see test/torture/README.md; "make torture"
# runs it for as long as is wanted.
use strict;
use warnings;

use JadugarTest;

$ENV{ROUNDS} ||= 5;
$ENV{EVENTS} ||= 'crash terminate cancel kill_server fill_disk jump fault';
require("$top/test/torture/torture.pl");
