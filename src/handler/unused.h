/*-------------------------------------------------------------------------
 *
 * unused.h
 *	  Removal of command texts that nothing refers to any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_HANDLER_UNUSED_H
#define JDG_HANDLER_UNUSED_H

#include "shared/database.h"

/* duty of the scheduler, daily */
extern TimestampTz jdg_remove_unused_commands(JdgDb *db, uint32 why);

#endif							/* JDG_HANDLER_UNUSED_H */
