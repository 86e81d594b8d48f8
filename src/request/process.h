/*-------------------------------------------------------------------------
 *
 * process.h
 *	  The process "jadugar http".
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_PROCESS_H
#define JDG_REQUEST_PROCESS_H

#include "shared/database.h"

/* publishes JdgHttpHost for the library; from _PG_init */
extern void jdg_http_process_init(void);

/* duty of the scheduler: starts the process when requests are to be sent */
extern TimestampTz jdg_http_process_ensure(JdgDb *db, uint32 why);

#endif							/* JDG_REQUEST_PROCESS_H */
