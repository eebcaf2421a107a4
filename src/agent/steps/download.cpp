// aws:downloadContent: one file over HTTP, a repository over Git, or a document that the server sent along.
#include <cstdlib>

#include "agent/steps/parts.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

using document::DownloadContent;
using document::Source;

constexpr Duration kGitTimeout{1'800'000};

// The address's last part, where the destination is a folder.
std::string name_of(const DownloadContent& content) {
  if (content.source == Source::SSMDocument) return content.path;
  const auto& url = content.location;
  auto path = url.substr(0, url.find_first_of("?#"));
  path = path.substr(path.find("//") + 2);
  const auto slash = path.rfind('/');
  const auto name = slash == std::string::npos ? std::string() : path.substr(slash + 1);
  return name.empty() || name == "." || name == ".." ? "content" : name;
}

// SSM's rule: a destination that is there as a folder, or ends in '/', takes the file in; else it is the file's name.
Result<std::string> file_for(const StepTools& tools, const DownloadContent& content, const StepContext& context) {
  BELAY_TRY_ASSIGN(std::string path, from_directory(context, content.destination));
  const auto info = tools.files.info(path);
  const bool folder =
      content.destination.empty() || path.ends_with('/') || (info.ok() && info->kind == io::FileInfo::Kind::directory);
  if (folder) path += (path.ends_with('/') ? "" : "/") + name_of(content);
  BELAY_TRY(tools.files.make_directories(path.substr(0, path.rfind('/')), 0700));
  return path;
}

StepEnd fetch_file(const StepTools& tools, const DownloadContent& content, const StepContext& context) {
  if (!tools.fetch) return failed("this node fetches nothing over the network");
  const auto body = tools.fetch(content.location);
  if (!body.ok()) return failed(content.location + " cannot be fetched: " + body.error().chain());
  const auto sum = io::sha256_hex(*body);
  if (!content.sha256.empty() && sum != content.sha256)
    return failed(content.location + " has the SHA-256 " + sum + ", expected " + content.sha256 +
                  "; nothing was kept of it");
  const auto path = file_for(tools, content, context);
  if (!path.ok()) return failed(path.error().chain());
  const auto kept = tools.files.write_durable(*path, *body, 0700);
  if (!kept.ok()) return failed(kept.error().chain());
  return succeeded("downloaded " + content.location + " (" + std::to_string(body->size()) + " bytes, sha256 " + sum +
                   ") to " + *path + "\n");
}

StepEnd put_document(const StepTools& tools, const DownloadContent& content, const StepContext& context) {
  if (content.content.empty() || content.path.empty() || content.path.find('/') != std::string::npos)
    return failed("the server did not send the document " + content.location + " along");
  const auto path = file_for(tools, content, context);
  if (!path.ok()) return failed(path.error().chain());
  const auto kept = tools.files.write_durable(*path, content.content, 0700);
  if (!kept.ok()) return failed(kept.error().chain());
  return succeeded("put document " + content.location + " down as " + *path + "\n");
}

io::ProcessSpec git(const StepContext& context, std::vector<std::string> words) {
  io::ProcessSpec spec;
  spec.argv = {
      "git", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "core.hooksPath=/dev/null"};
  spec.argv.insert(spec.argv.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
  spec.environment = io::plain_environment();
  spec.environment["GIT_TERMINAL_PROMPT"] = "0";  // a password that is asked for is an error, not a wait
  spec.timeout = kGitTimeout;
  spec.output_bytes_max = kProcessOutputBytesMax;
  spec.cancel = context.cancel;
  return spec;
}

// Of a repository only the file or folder at `path`, under the destination's name.
StepEnd take_part(const StepTools& tools, const std::string& folder, const std::string& path, std::string destination,
                  StepEnd cloned) {
  const auto part = tools.files.info(folder + "/" + path);
  // As file_for() has it, a folder takes a file in.
  if (destination.ends_with('/') && part.ok() && part->kind == io::FileInfo::Kind::file) {
    const auto made = tools.files.make_directories(destination, 0700);
    if (!made.ok()) return failed(made.error().chain());
    destination += path.substr(path.rfind('/') + 1);
  }
  io::ProcessSpec spec;
  spec.argv = {"cp", "-aT", "--", folder + "/" + path, destination};
  spec.environment = io::plain_environment();
  const auto copied = tools.processes.run(spec);
  static_cast<void>(tools.files.remove_tree(folder));
  if (!copied.ok()) return failed(copied.error().chain());
  if (!copied->success())
    return failed("the repository has no " + path + ": " + std::string(trim(copied->standard_error)));
  return cloned;
}

StepEnd clone(const StepTools& tools, const DownloadContent& content, const StepContext& context) {
  const auto where = from_directory(context, content.destination.empty() ? "content" : content.destination);
  if (!where.ok()) return failed("destinationPath: " + where.error().message());
  const auto& destination = *where;
  const auto folder = content.path.empty() ? destination : context.directory + "/.repository";
  std::vector<std::vector<std::string>> calls;
  if (content.git_commit.empty()) {
    auto& words = calls.emplace_back(std::vector<std::string>{"clone", "--quiet", "--depth=1"});
    if (!content.git_branch.empty()) words.push_back("--branch=" + content.git_branch);
    words.insert(words.end(), {"--", content.location, folder});
  } else {
    calls = {{"init", "--quiet", "--", folder},
             {"-C", folder, "fetch", "--quiet", "--depth=1", "--", content.location, content.git_commit},
             {"-C", folder, "checkout", "--quiet", "--detach", "FETCH_HEAD"}};
  }
  calls.push_back({"-C", folder, "log", "-1", "--format=%H %s"});
  StepEnd end;
  for (auto& words : calls) {
    const auto ended = tools.processes.run(git(context, std::move(words)));
    if (!ended.ok()) return failed(ended.error().chain() + "; install git on this node");
    end = end_of(*ended, "git");
    if (end.how != StepEnd::How::exited || end.exit_code != 0) return end;
  }
  return content.path.empty() ? end : take_part(tools, folder, content.path, destination, std::move(end));
}

}  // namespace

StepEnd download(const StepTools& tools, const DownloadContent& content, const StepContext& context) {
  switch (content.source) {
    case Source::HTTP:
    case Source::S3: return fetch_file(tools, content, context);
    case Source::Git:
    case Source::GitHub: return clone(tools, content, context);
    case Source::SSMDocument: return put_document(tools, content, context);
  }
  return failed("this agent does not know where " + content.location + " comes from; update it");
}

}  // namespace belay::agent
