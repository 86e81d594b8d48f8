/*-------------------------------------------------------------------------
 *
 * objects.h
 *	  jadugar's own objects in this database, and the validity of copies of
 *	  its configuration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_OBJECTS_H
#define JDG_BASE_OBJECTS_H

/*
 * OID of the extension.  If it does not exist, returns InvalidOid with
 * missing_ok, otherwise raises an error.
 */
extern Oid	jdg_extension_oid(bool missing_ok);

/*
 * OID of a table, index or sequence of ours.  If it does not exist, the first
 * raises INTERNAL_ERROR, the second returns InvalidOid.
 */
extern Oid	jdg_relation_oid(const char *name);
extern Oid	jdg_relation_find(const char *name);

/* the owner of our tables, which is the identity of all bookkeeping */
extern Oid	jdg_bookkeeper(void);

/*
 * Takes AccessShare on the extension until the end of the transaction.  Each
 * transaction of our processes calls it first.  DROP EXTENSION takes the same
 * lock exclusively, so it waits for us; and if it was first, this raises
 * NOT_INSTALLED.
 */
extern void jdg_lock_extension(void);

/*
 * A number that changes when queues, handlers, their grants, owners or control
 * may have changed, or roles and functions to which they refer.  A copy of the
 * configuration may be used while the number stays the same.  Get the number
 * before you read the tables.  0: keep no copy, because this transaction's
 * snapshot may be old or its changes are not committed.
 */
extern uint64 jdg_config_epoch(void);

/*
 * The same, but never 0: where no copy may be kept, a number that holds for the
 * present command.
 */
extern uint64 jdg_config_epoch_of_command(void);

/* the same for rows that jdg_run_latest() reads, whatever the snapshot is */
extern uint64 jdg_config_epoch_latest(void);

/*
 * Notes that this transaction has changed the configuration, so that all
 * processes discard their copies when it commits.  jdg_run() calls it for
 * queries with JdgQuery.config.
 */
extern void jdg_config_changed(void);

/* has this transaction changed the configuration? */
extern bool jdg_config_is_changed(void);

#endif							/* JDG_BASE_OBJECTS_H */
