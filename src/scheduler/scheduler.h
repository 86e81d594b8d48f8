/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  The scheduler: one process per database that has jadugar.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SCHEDULER_SCHEDULER_H
#define JDG_SCHEDULER_SCHEDULER_H

/* entry point of the background worker; the argument is the JdgDb's index */
extern PGDLLEXPORT void jdg_scheduler_main(Datum arg);

#endif							/* JDG_SCHEDULER_SCHEDULER_H */
