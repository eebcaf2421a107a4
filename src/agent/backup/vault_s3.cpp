#include "agent/backup/vault_parts.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr Duration kAskTimeout{60'000};

Result<std::string> ask(const VaultAccess::Impl& impl, const char* question) {
  const auto& place = *impl.vault.s3;
  Call what;
  what.argv = {"aws", "s3api", question, "--bucket", place.bucket, "--output", "json"};
  if (!place.endpoint.empty()) what.argv.insert(what.argv.end(), {"--endpoint-url", place.endpoint});
  what.environment = impl.environment;
  what.environment["AWS_DEFAULT_REGION"] = place.region.empty() ? "us-east-1" : place.region;
  what.environment["AWS_EC2_METADATA_DISABLED"] = "true";
  for (std::size_t i = 0; i + 1 < impl.options.size(); ++i)
    if (impl.options[i] == "--cacert") what.environment["AWS_CA_BUNDLE"] = impl.options[i + 1];
  what.timeout = kAskTimeout;
  return must(impl.host, impl.job, std::move(what));
}

}  // namespace

std::vector<std::string> VaultAccess::protections() const {
  if (impl_->vault.kind != backup::VaultKind::s3) return {};
  const auto versions = ask(*impl_, "get-bucket-versioning");
  if (!versions.ok() && versions.error().code() == Code::not_found)
    return {"whether the bucket keeps versions and locks objects was not looked at: the program aws is not installed"};
  std::vector<std::string> told;
  const auto value = versions.ok() ? json::parse(*versions) : Result<json::Value>(versions.error());
  if (!versions.ok()) told.push_back("whether the bucket keeps versions is not known: " + versions.error().chain());
  else if (value.ok() && json::text_or_empty(*value, "Status") == "Enabled")
    told.emplace_back("the bucket keeps versions");
  else told.emplace_back("the bucket keeps no versions: what is deleted there is gone");
  const auto lock = ask(*impl_, "get-object-lock-configuration");
  told.emplace_back(lock.ok() && lock->find("\"Enabled\"") != std::string::npos
                        ? "the bucket locks objects"
                        : "the bucket locks no objects: whoever has its keys can delete all points");
  return told;
}

}  // namespace belay::agent::backups
