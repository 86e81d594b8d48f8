/*-------------------------------------------------------------------------
 *
 * partition.h
 *	  Partitions of our own tables.
 *
 * All functions but jdg_partition_detach() run inside jdg_internal_begin().
 * The caller sees to it that no other process makes or drops the same
 * partition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_PARTITION_H
#define JDG_BASE_PARTITION_H

#include "postgres_ext.h"

/*
 * Creates an empty table "name" like our table "parent", which no role but the
 * owner can read.
 */
extern void jdg_partition_create(const char *parent, const char *name);

/* attaches it, for values as in FOR VALUES */
extern void jdg_partition_attach(const char *parent, const char *name,
								 const char *values);

/*
 * Makes a partition a member of the extension, as ALTER EXTENSION ... ADD
 * TABLE does, or not.  pg_dump leaves out members.
 */
extern void jdg_partition_set_member(Oid relid, bool member);

/*
 * Detaches a partition concurrently, in transactions of its own; the caller is
 * outside a transaction.  Finishes a detach that was interrupted.  Raises the
 * error of a detach that fails otherwise.
 */
extern void jdg_partition_detach(const char *parent, const char *name);

/*
 * Drops a detached partition that is a member of the extension.  It leaves the
 * extension in the same transaction: a table that is no member would be in
 * the way of DROP EXTENSION.
 */
extern void jdg_partition_drop(const char *name);

/*
 * Moves a detached partition to schema jadugar_archive, made if need be, as a
 * plain table of the role with this comment.  It leaves the extension.  If its
 * name is taken there, a number is added.
 * InvalidOid: it stays the property of the extension's owner.
 */
extern void jdg_partition_archive(const char *name, Oid owner,
								  const char *comment);

#endif							/* JDG_BASE_PARTITION_H */
