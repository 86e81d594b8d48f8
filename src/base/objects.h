/*-------------------------------------------------------------------------
 *
 * objects.h
 *	  jadugar's own objects in this database, and how long what was read of
 *	  its configuration may be kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_OBJECTS_H
#define JDG_BASE_OBJECTS_H

/* the extension as this process sees it; errors if it is not there */
extern Oid	jdg_extension_oid(bool missing_ok);
extern Oid	jdg_relation_oid(const char *name);
extern Oid	jdg_relation_find(const char *name);	/* or InvalidOid */
extern Oid	jdg_bookkeeper(void);	/* role that owns the tables */
extern void jdg_lock_extension(void);

/*
 * Changes when queues, handlers, their grants, owners or control may have
 * changed, or roles and functions that they refer to.  What was read while it
 * had its present value may be used again; read it before reading the tables.
 * 0: keep nothing, this transaction's snapshot may be old or its
 * changes not committed.
 */
extern uint64 jdg_config_epoch(void);

/* this transaction has changed some of that: see JdgQuery.config */
extern void jdg_config_changed(void);
extern bool jdg_config_is_changed(void);

#endif							/* JDG_BASE_OBJECTS_H */
