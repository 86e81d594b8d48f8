/*-------------------------------------------------------------------------
 *
 * databases.h
 *	  Which databases have an entry in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LAUNCHER_DATABASES_H
#define JDG_LAUNCHER_DATABASES_H

/* read pg_database, and free the entries of databases that are gone */
extern void jdg_databases_scan(void);

/*
 * Give entries to databases in which nobody has looked for the extension, as
 * long as some are available.
 */
extern void jdg_databases_assign(void);

#endif							/* JDG_LAUNCHER_DATABASES_H */
