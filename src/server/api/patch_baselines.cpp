// Create, change, list and choose patch baselines.
#include <algorithm>
#include <map>

#include "base/ids.hpp"
#include "core/baseline/patch_group.hpp"
#include "core/baseline/predefined.hpp"
#include "core/baseline/validate.hpp"
#include "io/crypto.hpp"
#include "server/api/baseline_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/engine/rejudge.hpp"
#include "store/baselines.hpp"
#include "store/tags.hpp"

namespace belay::server {
namespace {

namespace baselines = store::baselines;
using fleet::OperatingSystem;

constexpr std::string_view kDefaultSystem = "WINDOWS";  // the API's own default, whatever we think of it

Error unknown_baseline(std::string_view id) {
  return failure("DoesNotExistException", "the patch baseline " + std::string(id) + " does not exist");
}

Result<baselines::Version> find_baseline(store::Sql& sql, const Call& call) {
  const std::string id = baseline_id_of(call.text("BaselineId"));
  auto version = baselines::get(sql, id);
  if (!version.ok() && version.error().code() == Code::not_found) return unknown_baseline(id);
  return version;
}

json::Object audit_detail(const Call& call) {
  json::Object detail = call.request.get_object();
  detail.erase("ClientToken");
  return detail;
}

std::string system_asked(const Call& call) {
  const std::string system = call.text("OperatingSystem");
  return system.empty() ? std::string(kDefaultSystem) : system;
}

Status put_tags(store::Sql& sql, const Call& call, std::string_view id) {
  BELAY_TRY_ASSIGN(const auto tags, tags_of(call.request));
  return tags.empty() ? Status() : store::tags::set(sql, store::tags::kPatchBaseline, id, tags);
}

// The registered default, else the predefined one; "" where neither is there.
Result<std::string> default_baseline(store::Sql& sql, std::string_view system) {
  auto registered = baselines::default_of(sql, system);
  if (registered.ok() || registered.error().code() != Code::not_found) return registered;
  const auto known = fleet::operating_system_from_text(system);
  const auto* predefined = known ? baseline::predefined_baseline(*known) : nullptr;
  return predefined ? predefined->id : std::string();
}

Result<json::Object> identity_of(store::Sql& sql, const baselines::Version& version) {
  BELAY_TRY_ASSIGN(const auto content, content_of(version));
  BELAY_TRY_ASSIGN(const auto chosen, default_baseline(sql, version.operating_system));
  json::Object out{{"BaselineId", version.baseline_id},
                   {"BaselineName", version.name},
                   {"OperatingSystem", version.operating_system},
                   {"DefaultBaseline", chosen == version.baseline_id}};
  put(out, "BaselineDescription", json::Value(content.description));
  return out;
}

}  // namespace

Result<json::Object> create_patch_baseline(const Call& call) {
  const std::string id = make_id("pb", io::random_bytes(kIdRandomBytes));
  baseline::PatchBaseline wanted;
  wanted.operating_system = *fleet::operating_system_from_text(system_asked(call));
  BELAY_TRY(lay_over(wanted, call.request));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    return once(call, sql, call.text("ClientToken"), [&]() -> Result<json::Object> {
      wanted.id = id;
      baselines::Version version;
      version.baseline_id = id;
      version.name = wanted.name;
      version.operating_system = fleet::to_text(wanted.operating_system);
      version.content = json::encode_text(wanted);
      version.valid_from = version.created_at = call.now;
      version.changed_by = call.principal;
      BELAY_TRY(baselines::create(sql, version));
      BELAY_TRY(put_tags(sql, call, id));
      BELAY_TRY(audit_change(sql, call, id, audit_detail(call)));
      return json::Object{{"BaselineId", id}};
    });
  });
}

Result<json::Object> get_patch_baseline(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto version, find_baseline(sql, call));
    BELAY_TRY_ASSIGN(const auto content, content_of(version));
    BELAY_TRY_ASSIGN(const auto groups, baselines::groups_of(sql, version.baseline_id));
    auto reply = baseline_reply(content);
    reply["PatchGroups"] = json::encode(groups);
    return reply;
  });
}

Result<json::Object> update_patch_baseline(const Call& call) {
  const auto* replace = json::find(call.request, "Replace");
  const bool replaces = replace && replace->get_bool();
  if (replaces && call.text("Name").empty())
    return failure("ValidationException", "with Replace every field that is left out is emptied, so Name is required");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto version, find_baseline(sql, call));
    if (version.predefined)
      return failure("ValidationException",
                     version.name + " is a predefined patch baseline and read only: create one of your own");
    BELAY_TRY_ASSIGN(auto content, content_of(version));
    if (replaces) {
      baseline::PatchBaseline empty;
      empty.id = content.id;
      empty.operating_system = content.operating_system;
      empty.created_at = content.created_at;
      content = std::move(empty);
    }
    BELAY_TRY(lay_over(content, call.request));
    content.modified_at = call.now;
    baselines::Change change;
    change.baseline_id = version.baseline_id;
    change.name = content.name;
    change.content = json::encode_text(content);
    change.changed_by = call.principal;
    change.expected_generation = version.generation;
    change.at = call.now;
    BELAY_TRY(baselines::update(sql, change));
    BELAY_TRY(audit_change(sql, call, version.baseline_id, audit_detail(call)));
    BELAY_TRY(tell_rejudge(sql, call.now));
    return baseline_reply(content);
  });
}

Result<json::Object> delete_patch_baseline(const Call& call) {
  const std::string id = baseline_id_of(call.text("BaselineId"));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    const auto version = baselines::get(sql, id);
    if (!version.ok() && version.error().code() != Code::not_found) return version.error();
    if (version.ok() && version->predefined)
      return failure("ValidationException", version->name + " is a predefined patch baseline and cannot be deleted");
    if (version.ok()) {
      BELAY_TRY(baselines::remove(sql, id, call.now)
                    .within("the patch baseline " + id +
                            " is in use: make another one the default, or take it off its patch groups "
                            "(belay baseline unassign)"));
      BELAY_TRY(store::tags::remove_all(sql, store::tags::kPatchBaseline, id));
      BELAY_TRY(audit_change(sql, call, id, {{"Name", version->name}}));
    }
    return json::Object{{"BaselineId", id}};
  });
}

Result<json::Object> describe_patch_baselines(const Call& call) {
  BELAY_TRY_ASSIGN(const auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"NAME_PREFIX", "OWNER", "OPERATING_SYSTEM"}));
  baselines::Filter filter;
  for (const auto& [key, values] : asked) {
    if (key == "NAME_PREFIX") filter.name_prefixes = values;
    if (key == "OPERATING_SYSTEM") filter.operating_systems = values;
    if (key == "OWNER" && values.size() == 1 && values.front() != "All") filter.predefined = values.front() == "AWS";
  }
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto versions, baselines::list(sql, filter, page));
    json::Array identities;
    for (const auto& version : versions.items) {
      BELAY_TRY_ASSIGN(auto identity, identity_of(sql, version));
      identities.push_back(std::move(identity));
    }
    json::Object reply{{"BaselineIdentities", std::move(identities)}};
    put_next(reply, call, versions.next);
    return reply;
  });
}

Result<json::Object> register_default_patch_baseline(const Call& call) {
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto version, find_baseline(sql, call));
    BELAY_TRY(baselines::set_default(sql, version.operating_system, version.baseline_id, call.now));
    BELAY_TRY(audit_change(sql, call, version.baseline_id, {{"OperatingSystem", version.operating_system}}));
    BELAY_TRY(tell_rejudge(sql, call.now));
    return json::Object{{"BaselineId", version.baseline_id}};
  });
}

Result<json::Object> get_default_patch_baseline(const Call& call) {
  const std::string system = system_asked(call);
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto id, default_baseline(sql, system));
    if (id.empty())
      return failure("DoesNotExistException", "there is no default patch baseline for " + system + ": register one");
    return json::Object{{"BaselineId", id}, {"OperatingSystem", system}};
  });
}

Result<json::Object> register_patch_baseline_for_patch_group(const Call& call) {
  const std::string group = call.text("PatchGroup");
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto version, find_baseline(sql, call));
    BELAY_TRY(baselines::bind_group(sql, {group, version.baseline_id, version.operating_system}, call.now)
                  .within("patch group " + group + " has another patch baseline for " + version.operating_system +
                          ": take that off first (belay baseline unassign)"));
    BELAY_TRY(audit_change(sql, call, version.baseline_id, {{"PatchGroup", group}}));
    BELAY_TRY(tell_rejudge(sql, call.now));
    return json::Object{{"BaselineId", version.baseline_id}, {"PatchGroup", group}};
  });
}

Result<json::Object> deregister_patch_baseline_for_patch_group(const Call& call) {
  const std::string group = call.text("PatchGroup"), id = baseline_id_of(call.text("BaselineId"));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto groups, baselines::groups_of(sql, id));
    BELAY_TRY(baselines::unbind_group(sql, group, id, call.now));
    if (std::ranges::find(groups, group) != groups.end())
      BELAY_TRY(audit_change(sql, call, id, {{"PatchGroup", group}}));
    BELAY_TRY(tell_rejudge(sql, call.now));
    return json::Object{{"BaselineId", id}, {"PatchGroup", group}};
  });
}

Result<json::Object> get_patch_baseline_for_patch_group(const Call& call) {
  const std::string group = call.text("PatchGroup"), system = system_asked(call);
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    auto id = baselines::baseline_of_group(sql, group, system);
    if (!id.ok() && id.error().code() == Code::not_found) id = default_baseline(sql, system);
    if (!id.ok()) return id.error();
    json::Object reply{{"PatchGroup", group}, {"OperatingSystem", system}};
    put(reply, "BaselineId", json::Value(*id));
    return reply;
  });
}

Result<json::Object> describe_patch_groups(const Call& call) {
  BELAY_TRY_ASSIGN(auto page, page_of(call, 50, 100));
  BELAY_TRY_ASSIGN(const auto asked, filters_of(call.request, {"NAME_PREFIX", "OPERATING_SYSTEM"}));
  const auto passes = [&](const baselines::GroupBinding& binding) {
    return std::ranges::all_of(asked, [&](const auto& filter) {
      return std::ranges::any_of(filter.values, [&](const std::string& value) {
        return filter.key == "NAME_PREFIX" ? binding.patch_group.starts_with(value) : binding.operating_system == value;
      });
    });
  };
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    const std::size_t wanted = page.limit;
    json::Array mappings;
    do {  // pages of the store until one of ours is full, so that a filter never gives an empty page with more behind
          // it
      page.limit = static_cast<std::uint32_t>(wanted - mappings.size());
      BELAY_TRY_ASSIGN(const auto bindings, baselines::list_groups(sql, page));
      for (const auto& binding : bindings.items) {
        if (!passes(binding)) continue;
        BELAY_TRY_ASSIGN(const auto version, baselines::get(sql, binding.baseline_id));
        BELAY_TRY_ASSIGN(auto identity, identity_of(sql, version));
        mappings.push_back(
            json::Object{{"PatchGroup", binding.patch_group}, {"BaselineIdentity", std::move(identity)}});
      }
      page.after = bindings.next;
    } while (!page.after.empty() && mappings.size() < wanted);
    json::Object reply{{"Mappings", std::move(mappings)}};
    put_next(reply, call, page.after);
    return reply;
  });
}

}  // namespace belay::server
