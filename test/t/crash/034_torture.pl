# A short run of the crash machine; "make torture" runs it longer.  See
# test/torture/README.md.
use strict;
use warnings;

use JadugarTest;

$ENV{ROUNDS} ||= 5;
$ENV{EVENTS} ||= 'crash terminate cancel kill_server fill_disk jump fault';
require("$top/test/torture/torture.pl");
