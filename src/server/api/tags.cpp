// AddTagsToResource, RemoveTagsFromResource, ListTagsForResource.
#include "store/tags.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "server/api/baseline_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/associations.hpp"
#include "server/engine/automations.hpp"
#include "server/engine/documents.hpp"
#include "server/engine/rejudge.hpp"
#include "store/baselines.hpp"
#include "store/documents.hpp"
#include "store/windows.hpp"

namespace belay::server {
namespace {

struct Resource {
  std::string type, id;
};

// A kind of resource: whether this one is there and may be tagged; "" for yes, else why not. One row for each of SSM's
// kinds that Belay has; the others are refused by name.
using Look = Result<std::string> (*)(store::Sql& sql, Resource& resource);

template <typename T>
Result<std::string> there(const Result<T>& found) {
  if (found.ok()) return std::string();
  if (found.error().code() == Code::not_found) return std::string(" does not exist");
  return found.error();
}

Result<std::string> look_for_baseline(store::Sql& sql, Resource& resource) {
  resource.id = baseline_id_of(resource.id);
  const auto baseline = store::baselines::get(sql, resource.id);
  if (baseline.ok() && baseline->predefined) return std::string(" is predefined and cannot be tagged");
  return there(baseline);
}

Result<std::string> look_for_document(store::Sql& sql, Resource& resource) {
  resource.id = document_name_of(resource.id);
  BELAY_TRY_ASSIGN(const auto why_not, there(store::documents::get(sql, resource.id)));
  return why_not.empty() ? why_not : why_not + ", or comes with the server";
}

constexpr std::pair<std::string_view, Look> kTaggable[] = {
    {store::tags::kManagedInstance,
     [](store::Sql& sql, Resource& resource) { return there(store::nodes::get(sql, resource.id)); }},
    {store::tags::kPatchBaseline, look_for_baseline},
    {store::tags::kMaintenanceWindow,
     [](store::Sql& sql, Resource& resource) { return there(store::windows::get(sql, resource.id)); }},
    {"Document", look_for_document},
    {"Association",
     [](store::Sql& sql, Resource& resource) { return there(store::associations::get(sql, resource.id)); }},
    {kAutomationTagged,
     [](store::Sql& sql, Resource& resource) { return there(store::automations::get(sql, resource.id)); }},
};

// The resource the request names, where it exists and is of a kind that Belay has.
Result<Resource> find_resource(store::Sql& sql, const Call& call) {
  Resource resource{call.text("ResourceType"), call.text("ResourceId")};
  const auto* row = std::ranges::find(kTaggable, resource.type, &std::pair<std::string_view, Look>::first);
  if (row == std::end(kTaggable)) {
    std::string known;
    for (const auto& [type, look] : kTaggable) known += (known.empty() ? "" : ", ") + std::string(type);
    return failure("InvalidResourceType", "this version of Belay tags " + known + ", not " + resource.type);
  }
  BELAY_TRY_ASSIGN(const auto why_not, row->second(sql, resource));
  if (why_not.empty()) return resource;
  return failure("InvalidResourceId", resource.type + " " + sanitize(resource.id, 128) + why_not);
}

struct RemoveRequest {
  std::vector<std::string> TagKeys;
};
BOOST_DESCRIBE_STRUCT(RemoveRequest, (), (TagKeys))

// Associations choose nodes by their tags, and a tag names the patch group.
Status tags_changed(store::Sql& sql, const Call& call, const std::string& node_id) {
  BELAY_TRY(node_changed(sql, node_id, call.now));
  return tell_rejudge(sql, call.now);
}

}  // namespace

Result<json::Object> add_tags_to_resource(const Call& call) {
  BELAY_TRY_ASSIGN(const auto tags, tags_of(call.request));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto resource, find_resource(sql, call));
    BELAY_TRY(store::tags::set(sql, resource.type, resource.id, tags));
    if (resource.type == store::tags::kManagedInstance) BELAY_TRY(tags_changed(sql, call, resource.id));
    BELAY_TRY(audit_change(sql, call, resource.id, {{"ResourceType", resource.type}, {"Tags", tags_reply(tags)}}));
    return json::Object();
  });
}

Result<json::Object> remove_tags_from_resource(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<RemoveRequest>());
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto resource, find_resource(sql, call));
    BELAY_TRY(store::tags::remove(sql, resource.type, resource.id, request.TagKeys));
    if (resource.type == store::tags::kManagedInstance) BELAY_TRY(tags_changed(sql, call, resource.id));
    BELAY_TRY(audit_change(sql, call, resource.id,
                           {{"ResourceType", resource.type}, {"TagKeys", texts_reply(request.TagKeys)}}));
    return json::Object();
  });
}

Result<json::Object> list_tags_for_resource(const Call& call) {
  return call.read([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto resource, find_resource(sql, call));
    BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, resource.type, resource.id));
    return json::Object{{"TagList", tags_reply(tags)}};
  });
}

}  // namespace belay::server
