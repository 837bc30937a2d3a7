/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "error.h"
#include "level.h"
#include "options.h"
#include "probe.h"
#include "sys.h"
#include "text.h"
#include "uapi/live_update.h"

struct gmem_probe {
	bool has[GMEM_FEATURE_COUNT];
	/** a scratch file was tried, as opposed to capabilities believed */
	bool tried;
	/** the one in force, which limits what is offered */
	enum gmem_level level;
	uint64_t creation_flags;
	uint64_t attributes;
	uint64_t vm_attributes;
	/** announced by the kernel, and offered */
	uint64_t announced_policies;
	uint64_t policies;
};

static const struct {
	const char *name;
	const char *description;
} features[GMEM_FEATURE_COUNT] = {
	[GMEM_FEATURE_CREATE] = { "create", "guest_memfd files can be created" },
	[GMEM_FEATURE_MAP] = { "map", "the host can map shared pages" },
	[GMEM_FEATURE_INIT_SHARED] = { "init-shared", "files can start shared" },
	[GMEM_FEATURE_PRIVATE] = { "private", "the VM has private memory" },
	[GMEM_FEATURE_VM_ATTRIBUTES] = { "vm-attributes",
					 "state is set VM-wide, with two backings" },
	[GMEM_FEATURE_IN_PLACE] = { "in-place", "the kernel converts in place" },
	[GMEM_FEATURE_CONVERT] = { "convert", "this VM's files can be converted in place" },
	[GMEM_FEATURE_POLICY] = { "policy", "the kernel keeps content policies" },
	[GMEM_FEATURE_QUERY] = { "query", "states can be queried" },
	[GMEM_FEATURE_LIVE_UPDATE] = { "live-update", "files survive a live update" },
	[GMEM_FEATURE_MIXED] = { "mixed", "those with private pages, too" },
};

static const struct gmem_answer capability_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -ENOTTY, -ENOTTY, GMEM_CAUSE_NOT_A_VM },
	/* what a vCPU answers */
	{ -EINVAL, -ENOTTY, GMEM_CAUSE_NOT_A_VM },
	{ -EIO, -EIO, GMEM_CAUSE_FOREIGN_VM },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

/* Flags are 0, so that the kernel has no reason for EINVAL or ENOTTY after its capability. */
static const struct gmem_answer scratch_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EIO, -EIO, GMEM_CAUSE_FOREIGN_VM },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer attribute_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static bool read_capability(int vm_fd, unsigned long capability, uint64_t *ret_value,
			    struct gmem_error *error)
{
	int r = gmem_sys->ioctl(vm_fd, GMEM_UAPI_CHECK_EXTENSION, capability);

	if (r < 0) {
		error->system_call = "KVM_CHECK_EXTENSION";
		gmem_error_set_answer(error, r, capability_answers);
		return false;
	}
	*ret_value = (uint64_t)r;
	return true;
}

static bool read_capabilities(struct gmem_probe *probe, int vm_fd, struct gmem_error *error)
{
	uint64_t create, query, live_update;

	/* /dev/kvm answers capabilities, too, but for no VM in particular. */
	if (gmem_sys->ioctl(vm_fd, GMEM_UAPI_GET_API_VERSION, 0) >= 0) {
		error->code = -ENOTTY;
		error->cause = GMEM_CAUSE_NOT_A_VM;
		return false;
	}
	if (!read_capability(vm_fd, GMEM_CAP_GUEST_MEMFD, &create, error) ||
	    !read_capability(vm_fd, GMEM_CAP_GUEST_MEMFD_FLAGS, &probe->creation_flags, error) ||
	    !read_capability(vm_fd, GMEM_CAP_MEMORY_ATTRIBUTES, &probe->vm_attributes, error) ||
	    !read_capability(vm_fd, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES, &probe->attributes,
			     error) ||
	    !read_capability(vm_fd, GMEM_CAP_CONTENT_POLICIES, &probe->announced_policies, error) ||
	    !read_capability(vm_fd, GMEM_CAP_QUERY, &query, error) ||
	    !read_capability(vm_fd, GMEM_CAP_LIVE_UPDATE, &live_update, error))
		return false;

	probe->has[GMEM_FEATURE_CREATE] = create != 0;
	probe->has[GMEM_FEATURE_VM_ATTRIBUTES] = probe->vm_attributes & GMEM_UAPI_ATTRIBUTE_PRIVATE;
	probe->has[GMEM_FEATURE_IN_PLACE] = probe->attributes & GMEM_UAPI_ATTRIBUTE_PRIVATE;
	probe->has[GMEM_FEATURE_CONVERT] = probe->has[GMEM_FEATURE_IN_PLACE];
	probe->has[GMEM_FEATURE_PRIVATE] =
		probe->has[GMEM_FEATURE_VM_ATTRIBUTES] || probe->has[GMEM_FEATURE_CONVERT];
	probe->announced_policies &= GMEM_UAPI_CONTENT_POLICIES;
	probe->policies = probe->announced_policies;
	probe->has[GMEM_FEATURE_QUERY] = query & 1;
	probe->has[GMEM_FEATURE_LIVE_UPDATE] = live_update & GMEM_UAPI_LIVE_UPDATE_ON;
	probe->has[GMEM_FEATURE_MIXED] = live_update & GMEM_UAPI_LIVE_UPDATE_MIXED;
	return true;
}

/* Sets a page of a file that is private from the start to private: nothing changes. */
static bool try_convert(struct gmem_probe *probe, int fd, uint64_t page_size,
			struct gmem_error *error)
{
	struct gmem_uapi_attributes request = {
		.size = page_size,
		.attributes = GMEM_UAPI_ATTRIBUTE_PRIVATE,
	};
	int r = gmem_sys->ioctl(fd, GMEM_UAPI_SET_ATTRIBUTES, (uintptr_t)&request);

	if (r != 0 && r != -ENOTTY && r != -EINVAL) {
		error->system_call = "KVM_SET_MEMORY_ATTRIBUTES2";
		gmem_error_set_answer(error, r, attribute_answers);
		return false;
	}
	/* ENOTTY: not in force. EINVAL: in force, but the VM has no private memory. */
	probe->has[GMEM_FEATURE_IN_PLACE] = r != -ENOTTY;
	probe->has[GMEM_FEATURE_CONVERT] = r == 0;
	probe->has[GMEM_FEATURE_PRIVATE] = probe->has[GMEM_FEATURE_VM_ATTRIBUTES] || r == 0;
	probe->tried = true;
	return true;
}

static bool try_scratch_file(struct gmem_probe *probe, int vm_fd, struct gmem_error *error)
{
	struct gmem_uapi_create request = { .size = gmem_sys->page_size() };
	bool ok;
	int fd;

	fd = gmem_sys->ioctl(vm_fd, GMEM_UAPI_CREATE_GUEST_MEMFD, (uintptr_t)&request);
	if (fd < 0) {
		error->system_call = "KVM_CREATE_GUEST_MEMFD";
		gmem_error_set_answer(error, fd, scratch_answers);
		return false;
	}
	ok = try_convert(probe, fd, request.size, error);
	gmem_sys->close(fd);
	return ok;
}

/* Takes away what is above the level in force. */
static void limit(struct gmem_probe *probe)
{
	bool *has = probe->has;

	if (probe->level < GMEM_LEVEL_MIXED)
		has[GMEM_FEATURE_MIXED] = false;
	if (probe->level < GMEM_LEVEL_LIVE_UPDATE)
		has[GMEM_FEATURE_LIVE_UPDATE] = false;
	if (probe->level < GMEM_LEVEL_QUERY)
		has[GMEM_FEATURE_QUERY] = false;
	if (probe->level < GMEM_LEVEL_POLICY)
		probe->policies = 0;
	if (probe->level < GMEM_LEVEL_CONVERT) {
		has[GMEM_FEATURE_CONVERT] = false;
		has[GMEM_FEATURE_IN_PLACE] = false;
		probe->attributes = 0;
		/* Where state is not kept in the file, those of such VMs start private. */
		if (has[GMEM_FEATURE_PRIVATE])
			probe->creation_flags &= ~(uint64_t)GMEM_UAPI_FLAG_INIT_SHARED;
	}
	if (probe->level < GMEM_LEVEL_MAP)
		probe->creation_flags = 0;
	if (probe->level < GMEM_LEVEL_CREATE)
		has[GMEM_FEATURE_CREATE] = false;
	/* None of these is there without what it builds on. */
	has[GMEM_FEATURE_MAP] = probe->creation_flags & GMEM_UAPI_FLAG_MMAP;
	has[GMEM_FEATURE_INIT_SHARED] = probe->creation_flags & GMEM_UAPI_FLAG_INIT_SHARED;
	if (!has[GMEM_FEATURE_CONVERT])
		probe->policies = 0;
	has[GMEM_FEATURE_POLICY] = probe->policies != 0;
	has[GMEM_FEATURE_QUERY] &= has[GMEM_FEATURE_IN_PLACE];
	has[GMEM_FEATURE_LIVE_UPDATE] &= has[GMEM_FEATURE_CREATE];
	has[GMEM_FEATURE_MIXED] &= has[GMEM_FEATURE_LIVE_UPDATE];
}

int gmem_probe_new(int vm_fd, const struct gmem_probe_options *options,
		   struct gmem_probe **ret_probe, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_probe_new" };
	struct gmem_probe_options known;
	struct gmem_probe *probe;
	int r, level;

	if (!ret_probe)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = gmem_options_read(&known, sizeof(known), sizeof(known), options);
	if (r == 0 && (known.capabilities_only > 1 || known.reserved))
		r = -EINVAL;
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	level = gmem_level_read();
	if (level < 0)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_LEVEL_NAME);
	probe = calloc(1, sizeof(*probe));
	if (!probe)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);

	error.attempts = 1;
	if (!read_capabilities(probe, vm_fd, &error))
		goto out_free;
	if (probe->has[GMEM_FEATURE_CREATE] && !known.capabilities_only &&
	    !try_scratch_file(probe, vm_fd, &error))
		goto out_free;
	probe->level = (enum gmem_level)level;
	limit(probe);
	*ret_probe = probe;
	return 0;

out_free:
	free(probe);
	return gmem_error_fail(reterr_error, &error);
}

void gmem_probe_free(struct gmem_probe *probe)
{
	free(probe);
}

static bool known_feature(enum gmem_feature feature)
{
	return (unsigned int)feature < GMEM_FEATURE_COUNT;
}

bool gmem_probe_has(const struct gmem_probe *probe, enum gmem_feature feature)
{
	return probe && known_feature(feature) && probe->has[feature];
}

uint64_t gmem_probe_get_creation_flags(const struct gmem_probe *probe)
{
	return probe ? probe->creation_flags : 0;
}

uint64_t gmem_probe_get_attributes(const struct gmem_probe *probe)
{
	return probe ? probe->attributes : 0;
}

uint64_t gmem_probe_get_vm_attributes(const struct gmem_probe *probe)
{
	return probe ? probe->vm_attributes : 0;
}

uint64_t gmem_probe_get_policies(const struct gmem_probe *probe)
{
	return probe ? probe->policies : 0;
}

uint64_t gmem_probe_policies(const struct gmem_probe *probe)
{
	return probe ? probe->announced_policies : 0;
}

const char *gmem_feature_name(enum gmem_feature feature)
{
	return known_feature(feature) ? features[feature].name : NULL;
}

const char *gmem_feature_describe(enum gmem_feature feature)
{
	return known_feature(feature) ? features[feature].description : NULL;
}

int gmem_probe_format(const struct gmem_probe *probe, char *buffer, size_t size)
{
	struct gmem_text text = { .buffer = buffer, .size = size };
	int i;

	if (!probe || (!buffer && size > 0))
		return -EINVAL;
	for (i = 0; i < GMEM_FEATURE_COUNT; i++)
		gmem_text_add(&text, "%-14s %-3s  %s\n", features[i].name,
			      probe->has[i] ? "yes" : "no", features[i].description);
	gmem_text_add(&text,
		      "creation flags 0x%" PRIx64 ", attributes in place 0x%" PRIx64
		      ", VM-wide 0x%" PRIx64 ", policies 0x%" PRIx64 "\n",
		      probe->creation_flags, probe->attributes, probe->vm_attributes,
		      probe->policies);
	if (probe->level != GMEM_LEVEL_FULL)
		gmem_text_add(&text, "The capability level is forced down to %s.\n",
			      gmem_level_name(probe->level));
	gmem_text_add(&text, "%s",
		      probe->tried ? "Conversion was tried on a scratch file."
				   : "These are the kernel's capabilities; nothing was tried.");
	return (int)text.length;
}

int gmem_probe_format_json(const struct gmem_probe *probe, char *buffer, size_t size)
{
	struct gmem_text text = { .buffer = buffer, .size = size };
	int i;

	if (!probe || (!buffer && size > 0))
		return -EINVAL;
	gmem_text_add(&text, "{\"version\":1,\"tried\":%s,\"level\":\"%s\",\"features\":{",
		      probe->tried ? "true" : "false", gmem_level_name(probe->level));
	for (i = 0; i < GMEM_FEATURE_COUNT; i++)
		gmem_text_add(&text, "%s\"%s\":%s", i ? "," : "", features[i].name,
			      probe->has[i] ? "true" : "false");
	gmem_text_add(&text,
		      "},\"creation_flags\":%" PRIu64 ",\"attributes\":%" PRIu64
		      ",\"vm_attributes\":%" PRIu64 ",\"policies\":%" PRIu64 "}",
		      probe->creation_flags, probe->attributes, probe->vm_attributes,
		      probe->policies);
	return (int)text.length;
}
