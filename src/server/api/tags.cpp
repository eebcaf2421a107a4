// AddTagsToResource, RemoveTagsFromResource, ListTagsForResource.
#include "store/tags.hpp"

#include "server/api/baseline_wire.hpp"
#include "server/api/filters.hpp"
#include "server/api/handlers.hpp"
#include "server/api/reply_parts.hpp"
#include "server/engine/documents.hpp"
#include "store/baselines.hpp"
#include "store/windows.hpp"

namespace belay::server {
namespace {

struct Resource {
  std::string type, id;
};

// The resource the request names, where it exists and is of a kind that Belay has.
Result<Resource> find_resource(store::Sql& sql, const Call& call) {
  Resource resource{call.text("ResourceType"), call.text("ResourceId")};
  const auto refused = [&](std::string_view why) {
    return failure("InvalidResourceId", resource.type + " " + resource.id + std::string(why));
  };
  if (resource.type == store::tags::kManagedInstance) {
    const auto node = store::nodes::get(sql, resource.id);
    if (node.ok()) return resource;
    return node.error().code() == Code::not_found ? refused(" does not exist") : node.error();
  }
  if (resource.type == store::tags::kPatchBaseline) {
    resource.id = baseline_id_of(resource.id);
    const auto baseline = store::baselines::get(sql, resource.id);
    if (!baseline.ok())
      return baseline.error().code() == Code::not_found ? refused(" does not exist") : baseline.error();
    if (baseline->predefined) return refused(" is predefined and cannot be tagged");
    return resource;
  }
  if (resource.type == store::tags::kMaintenanceWindow) {
    const auto window = store::windows::get(sql, resource.id);
    if (window.ok()) return resource;
    return window.error().code() == Code::not_found ? refused(" does not exist") : window.error();
  }
  if (resource.type == "Document") {
    resource.id = document_name_of(resource.id);
    const auto document = store::documents::get(sql, resource.id);
    if (document.ok()) return resource;
    return document.error().code() == Code::not_found ? refused(" does not exist, or comes with the server")
                                                      : document.error();
  }
  return failure("InvalidResourceType",
                 "this version of Belay tags ManagedInstance, PatchBaseline, MaintenanceWindow and Document, not " +
                     resource.type);
}

struct RemoveRequest {
  std::vector<std::string> TagKeys;
};
BOOST_DESCRIBE_STRUCT(RemoveRequest, (), (TagKeys))

}  // namespace

Result<json::Object> add_tags_to_resource(const Call& call) {
  BELAY_TRY_ASSIGN(const auto tags, tags_of(call.request));
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto resource, find_resource(sql, call));
    BELAY_TRY(store::tags::set(sql, resource.type, resource.id, tags));
    BELAY_TRY(audit_change(sql, call, resource.id, {{"ResourceType", resource.type}, {"Tags", tags_reply(tags)}}));
    return json::Object();
  });
}

Result<json::Object> remove_tags_from_resource(const Call& call) {
  BELAY_TRY_ASSIGN(const auto request, call.as<RemoveRequest>());
  return call.write([&](store::Sql& sql) -> Result<json::Object> {
    BELAY_TRY_ASSIGN(const auto resource, find_resource(sql, call));
    BELAY_TRY(store::tags::remove(sql, resource.type, resource.id, request.TagKeys));
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
