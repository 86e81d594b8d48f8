/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  Flushes the WAL, see flush.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"

#include "base/flush.h"

void
jdg_flush_wal(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();
	uint64		offset = end % XLOG_BLCKSZ;

	/* right after a page's header: the last record ends before the page */
	if (offset == SizeOfXLogShortPHD ||
		(offset == SizeOfXLogLongPHD &&
		 XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD))
		end -= offset;
	XLogFlush(end);
}
