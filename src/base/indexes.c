/*-------------------------------------------------------------------------
 *
 * indexes.c
 *	  The indexes of a table that rows are written to, see indexes.h.
 *
 * Runs in any process.  To write one row, the executor takes longer to read
 * the definitions of the indexes and to compile the predicates of the partial
 * ones than to insert the entries.  Each process therefore keeps both until
 * the table or one of its indexes changes.
 *
 * What is kept is only of indexes such as ours: B-trees on columns.  For a
 * table with another index, which an administrator has added, this leaves all
 * to the executor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/indexes.h"

/* the partitions of the history are tables, too */
#define MAX_TABLES 32

typedef struct Kept
{
	Oid			table;			/* hash key */
	bool		valid;
	bool		simple;			/* the rest is set */
	int			n;
	Oid		   *oids;
	IndexInfo **infos;			/* with compiled predicates */
	MemoryContext mcxt;
} Kept;

static HTAB *tables = NULL;

/* how often relation_changed() was called */
static uint64 changes = 0;

/* Kept ones may be in use: they are only marked. */
static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	Kept	   *k;

	changes++;
	if (OidIsValid(relid))
	{
		k = hash_search(tables, &relid, HASH_FIND, NULL);
		if (k != NULL)
			k->valid = false;
		return;
	}
	hash_seq_init(&scan, tables);
	while ((k = hash_seq_search(&scan)) != NULL)
		k->valid = false;
}

/* What an older definition has left stays valid until the transaction ends. */
static void
forget(Kept *k)
{
	if (k->mcxt != NULL)
		MemoryContextSetParent(k->mcxt, TopTransactionContext);
	k->mcxt = NULL;
	k->valid = k->simple = false;
}

static void
forget_all(void)
{
	HASH_SEQ_STATUS scan;
	Kept	   *k;

	hash_seq_init(&scan, tables);
	while ((k = hash_seq_search(&scan)) != NULL)
	{
		forget(k);
		(void) hash_search(tables, &k->table, HASH_REMOVE, NULL);
	}
}

/* The entry of a table, which may not be valid. */
static Kept *
find(Oid table)
{
	Kept	   *k;

	if (tables == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Kept);
		tables = hash_create("jadugar indexes", MAX_TABLES, &ctl,
							 HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	}
	k = hash_search(tables, &table, HASH_FIND, NULL);
	if (k != NULL)
		return k;
	if (hash_get_num_entries(tables) >= MAX_TABLES)
		forget_all();
	k = hash_search(tables, &table, HASH_ENTER, NULL);
	k->mcxt = NULL;
	k->valid = k->simple = false;
	return k;
}

/* The definition of an index in the current context; NULL: it is not simple. */
static IndexInfo *
read_index(Relation index)
{
	IndexInfo  *info;
	List	   *predicate;

	if (index->rd_rel->relam != BTREE_AM_OID)
		return NULL;
	info = BuildIndexInfo(index);
	if (info->ii_Expressions != NIL || info->ii_ExclusionOps != NULL)
		return NULL;
	if (info->ii_Predicate == NIL)
		return info;
	/* as ExecPrepareQual() does */
	predicate = (List *) expression_planner((Expr *) info->ii_Predicate);
	info->ii_PredicateState = ExecInitQual(predicate, NULL);
	return info;
}

/* Reads the definitions of the indexes of a table, without the locks. */
static void
read_indexes(Kept *k, Relation rel)
{
	uint64		before = changes;
	List	   *list = RelationGetIndexList(rel);
	bool		simple = true;
	MemoryContext old;
	ListCell   *lc;

	k->mcxt = AllocSetContextCreate(TopMemoryContext, "jadugar indexes",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(k->mcxt);
	k->n = 0;
	k->oids = palloc(sizeof(Oid) * Max(list_length(list), 1));
	k->infos = palloc(sizeof(IndexInfo *) * Max(list_length(list), 1));
	foreach(lc, list)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		k->oids[k->n] = lfirst_oid(lc);
		k->infos[k->n] = read_index(index);
		if (k->infos[k->n++] == NULL)
			simple = false;
		index_close(index, NoLock);
	}
	MemoryContextSwitchTo(old);
	list_free(list);
	k->simple = simple;
	k->valid = changes == before;
}

void
jdg_indexes_open(ResultRelInfo *info)
{
	Kept	   *k = find(RelationGetRelid(info->ri_RelationDesc));

	if (!k->valid)
	{
		forget(k);
		read_indexes(k, info->ri_RelationDesc);
	}
	if (!k->simple)
	{
		ExecOpenIndices(info, false);
		return;
	}
	info->ri_NumIndices = k->n;
	info->ri_IndexRelationInfo = k->infos;
	info->ri_IndexRelationDescs = palloc(sizeof(Relation) * Max(k->n, 1));
	for (int i = 0; i < k->n; i++)
		info->ri_IndexRelationDescs[i] = index_open(k->oids[i],
													RowExclusiveLock);
}
