/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between the supported versions of PostgreSQL, 15 to 18.
 *
 * This is the only file that uses PG_VERSION_NUM.  All other code uses the
 * names below.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_COMPAT_H
#define JDG_BASE_COMPAT_H

#include "access/genam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#endif
#include "parser/parse_type.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/jsonfuncs.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "jadugar needs PostgreSQL 15 or later"
#endif

/* the declaration of a function that does not return precedes it since 18 */
#if PG_VERSION_NUM >= 180000
#define JDG_NORETURN pg_noreturn
#else
#define JDG_NORETURN pg_attribute_noreturn()
#endif

/* what a check hook returns as "extra"; NULL: out of memory */
#if PG_VERSION_NUM >= 160000
#define jdg_guc_malloc(size) guc_malloc(LOG, (size))
#else
#define jdg_guc_malloc(size) malloc(size)
#endif

/* object_ownercheck() replaced one function per kind of object in 16 */
#if PG_VERSION_NUM >= 160000
#define jdg_database_owned_by(db, role) \
	object_ownercheck(DatabaseRelationId, (db), (role))
#define jdg_proc_acl_ok(proc, role) \
	(object_aclcheck(ProcedureRelationId, (proc), (role), ACL_EXECUTE) == ACLCHECK_OK)
#define jdg_schema_acl_ok(schema, role) \
	(object_aclcheck(NamespaceRelationId, (schema), (role), ACL_USAGE) == ACLCHECK_OK)
#define jdg_database_acl_ok(db, role, mode) \
	(object_aclcheck(DatabaseRelationId, (db), (role), (mode)) == ACLCHECK_OK)
#define jdg_type_acl_ok(type, role) \
	(object_aclcheck(TypeRelationId, (type), (role), ACL_USAGE) == ACLCHECK_OK)
#define jdg_foreign_server_acl_ok(server, role) \
	(object_aclcheck(ForeignServerRelationId, (server), (role), ACL_USAGE) == ACLCHECK_OK)
#else
#define jdg_database_owned_by(db, role) pg_database_ownercheck((db), (role))
#define jdg_proc_acl_ok(proc, role) \
	(pg_proc_aclcheck((proc), (role), ACL_EXECUTE) == ACLCHECK_OK)
#define jdg_schema_acl_ok(schema, role) \
	(pg_namespace_aclcheck((schema), (role), ACL_USAGE) == ACLCHECK_OK)
#define jdg_database_acl_ok(db, role, mode) \
	(pg_database_aclcheck((db), (role), (mode)) == ACLCHECK_OK)
#define jdg_type_acl_ok(type, role) \
	(pg_type_aclcheck((type), (role), ACL_USAGE) == ACLCHECK_OK)
#define jdg_foreign_server_acl_ok(server, role) \
	(pg_foreign_server_aclcheck((server), (role), ACL_USAGE) == ACLCHECK_OK)
#endif

/* the right to SET ROLE became an option of membership in 16 */
#if PG_VERSION_NUM >= 160000
#define jdg_member_can_set_role(member, role) \
	member_can_set_role((member), (role))
#else
#define jdg_member_can_set_role(member, role) \
	is_member_of_role((member), (role))
#endif

/* not every minor release of 15 has have_createdb_privilege() */
#if PG_VERSION_NUM >= 160000
#define jdg_have_createdb_privilege() have_createdb_privilege()
#else
static inline bool
jdg_have_createdb_privilege(void)
{
	HeapTuple	role;
	bool		result;

	if (superuser())
		return true;
	role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(role))
		return false;
	result = ((Form_pg_authid) GETSTRUCT(role))->rolcreatedb;
	ReleaseSysCache(role);
	return result;
}
#endif

/* SetSingleFuncCall() has got this name in 15.1, and lost the old one in 16 */
#if PG_VERSION_NUM >= 160000
#define jdg_init_materialized_srf(fcinfo, flags) \
	InitMaterializedSRF((fcinfo), (flags))
#define JDG_SRF_EXPECTED_DESC MAT_SRF_USE_EXPECTED_DESC
#else
#define jdg_init_materialized_srf(fcinfo, flags) \
	SetSingleFuncCall((fcinfo), (flags))
#define JDG_SRF_EXPECTED_DESC SRF_SINGLE_USE_EXPECTED
#endif

/* parseTypeString() has soft errors since 16 */
#if PG_VERSION_NUM >= 160000
#define jdg_parse_type(string, typid, typmod) \
	((void) parseTypeString((string), (typid), (typmod), NULL))
#define jdg_parse_type_if_any(string, typid, typmod) \
	((void) parseTypeString((string), (typid), (typmod), \
							(Node *) &(ErrorSaveContext) {T_ErrorSaveContext}))
#else
#define jdg_parse_type(string, typid, typmod) \
	parseTypeString((string), (typid), (typmod), false)
#define jdg_parse_type_if_any(string, typid, typmod) \
	parseTypeString((string), (typid), (typmod), true)
#endif

/* the local part of the virtual transaction id has moved in 17; storage/proc.h */
#if PG_VERSION_NUM >= 170000
#define jdg_my_lxid() (MyProc->vxid.lxid)
#else
#define jdg_my_lxid() (MyProc->lxid)
#endif

/* the row type of a table belongs to the table's extension since 17 */
#define JDG_ROW_TYPE_IS_MEMBER (PG_VERSION_NUM >= 170000)

/* before 16, RESET sets transaction_read_only in any state */
#define JDG_READ_ONLY_HAS_RESET (PG_VERSION_NUM < 160000)

/* infinite intervals exist since 17 */
#if PG_VERSION_NUM >= 170000
#define jdg_interval_not_finite(interval) INTERVAL_NOT_FINITE(interval)
#else
#define jdg_interval_not_finite(interval) ((void) (interval), false)
#endif

/* index_beginscan() has an argument for instrumentation since 18 */
#if PG_VERSION_NUM >= 180000
#define jdg_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#else
#define jdg_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#endif

/* ExecInsertIndexTuples() can leave out summarizing indexes since 16 */
#if PG_VERSION_NUM >= 160000
#define jdg_insert_index_tuples(info, slot, estate, summarizing) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL, \
						  (summarizing))
#else
#define jdg_insert_index_tuples(info, slot, estate, summarizing) \
	((void) (summarizing), \
	 ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL))
#endif

/* table_tuple_update() distinguishes summarizing indexes since 16 */
#if PG_VERSION_NUM >= 160000
#define JdgUpdateIndexes TU_UpdateIndexes
#define JDG_UPDATE_NO_INDEX TU_None
#define JDG_UPDATE_SUMMARIZING(indexes) ((indexes) == TU_Summarizing)
#else
#define JdgUpdateIndexes bool
#define JDG_UPDATE_NO_INDEX false
#define JDG_UPDATE_SUMMARIZING(indexes) false
#endif

/* PortalRun() has no run_once since 18 */
#if PG_VERSION_NUM >= 180000
#define jdg_portal_run(portal, dest, qc) \
	PortalRun((portal), FETCH_ALL, true, (dest), (dest), (qc))
#else
#define jdg_portal_run(portal, dest, qc) \
	PortalRun((portal), FETCH_ALL, true, true, (dest), (dest), (qc))
#endif

/* the owner of a wait event set is a resource owner since 17 */
#if PG_VERSION_NUM >= 170000
#define jdg_create_wait_event_set(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define jdg_create_wait_event_set(nevents) \
	CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/*
 * Names of our waits in pg_stat_activity.  Custom names exist since 17; a
 * process allocates each of them once.
 */
#if PG_VERSION_NUM >= 170000
#define JDG_DEFINE_WAIT(function, name) \
static inline uint32 \
function(void) \
{ \
	static uint32 event = 0; \
	if (event == 0) \
		event = WaitEventExtensionNew(name); \
	return event; \
}
#else
#define JDG_DEFINE_WAIT(function, name) \
static inline uint32 \
function(void) \
{ \
	return PG_WAIT_EXTENSION; \
}
#endif

JDG_DEFINE_WAIT(jdg_wait_launcher, "JadugarLauncher")
JDG_DEFINE_WAIT(jdg_wait_scheduler, "JadugarScheduler")
JDG_DEFINE_WAIT(jdg_wait_worker, "JadugarWorker")
JDG_DEFINE_WAIT(jdg_wait_http, "JadugarHttp")
JDG_DEFINE_WAIT(jdg_wait_task, "JadugarTaskEnd")
JDG_DEFINE_WAIT(jdg_wait_room, "JadugarQueueRoom")

#endif							/* JDG_BASE_COMPAT_H */
