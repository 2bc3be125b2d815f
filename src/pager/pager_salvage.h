/*
 * A partition's page file read around damage: nothing is changed, nothing kept in memory but the
 * map. For `satori salvage`, on a directory that nobody has open.
 *
 * When the manifest is damaged the map may name older places of some pages. An image in such a
 * place is taken if it still is the one that the map means; so what is read may be older than what
 * was there, and `damage` says that.
 */
#ifndef PAGER_SALVAGE_H
#define PAGER_SALVAGE_H

#include "pager/pager.h"

struct pager_salvage;

/* DATA_CORRUPTED when no map can be had. Suspends, as whatever takes a fiber. */
enum status pager_salvage_open(struct fiber *f, const char *directory,
                               struct pager_salvage **salvage_out) MUST_USE;
void pager_salvage_close(struct fiber *f, struct pager_salvage *salvage);

/* The offset of the first damage of the manifest, 0: it is whole. */
uint64_t pager_salvage_damage(const struct pager_salvage *salvage);
/* Pages hold every change up to this commit (those that could be read). */
struct commit_number pager_salvage_applied(const struct pager_salvage *salvage);

/* Larger than every page's number. */
uint64_t pager_salvage_page_end(const struct pager_salvage *salvage);
/* Is there such a page? Its size with header, and where it lies in the file. */
bool pager_salvage_has(const struct pager_salvage *salvage, struct page_id id, uint32_t *size_out,
                       uint64_t *offset_out);
const char *pager_salvage_path(const struct pager_salvage *salvage);
/* Reads a page into `block`, which has room for its size; *bytes_out is the user's part of it.
   DATA_CORRUPTED. */
enum status pager_salvage_read(struct fiber *f, struct pager_salvage *salvage, struct page_id id,
                               uint8_t *block, struct slice *bytes_out) MUST_USE;

/* Bytes read so far. */
uint64_t pager_salvage_bytes_read(const struct pager_salvage *salvage);

size_t pager_salvage_root_count(const struct pager_salvage *salvage);
struct tree_id pager_salvage_root(const struct pager_salvage *salvage, size_t at,
                                  struct page_id *root_out);

#endif
