#include "agent/runner/package_pool.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

constexpr Duration kRequestTimeout{60'000};
constexpr Duration kPause{2'000};
constexpr int kPutOffMax = 60;  // of one request, by a server that has much to do
constexpr int kUnreachedMax = 3;
constexpr std::string_view kPutOff = "pool-put-off";
constexpr std::size_t kChunkBytesMax = 4u << 20;
constexpr std::size_t kAnswerBytesMax = 4u << 20;
constexpr std::size_t kPieceBytes = 1u << 20;

Error refusal(const io::HttpResponse& response) {
  const auto body = json::parse(response.body);
  const std::string reason = body.ok() ? json::text_or_empty(*body, "reason") : "";
  const std::string words =
      sanitize(body.ok() ? json::text_or_empty(*body, "message") : "HTTP " + std::to_string(response.status), 500);
  const auto told = [&](Code code, std::string_view why) {
    return Error(code, "the server's package pool: " + words, std::string(why));
  };
  if (reason == "pool-damaged" || reason == "pool-hash-mismatch") return told(Code::corrupt, "signature-bad");
  if (response.status == 404) return told(Code::not_found, "version-not-offered");
  if (response.status == 409) return told(Code::conflict, reason);
  if (response.status == 429) return told(Code::resource_exhausted, reason);
  if (response.status == 503) return told(Code::unavailable, kPutOff);
  return told(response.status == 401 || response.status == 403 ? Code::permission_denied : Code::internal, reason);
}

class HttpPackagePool final : public PackagePool {
 public:
  HttpPackagePool(io::Files& files, HostControl& host, std::function<Result<Identity>()> identity)
      : files_(files), host_(host), identity_(std::move(identity)) {}

  Result<std::vector<wire::PoolEntry>> ask(const std::vector<std::string>& sha256s) override {
    std::vector<wire::PoolEntry> entries;
    for (std::size_t at = 0; at < sha256s.size(); at += wire::kPoolQuestionMax) {
      const auto end = std::min(sha256s.size(), at + wire::kPoolQuestionMax);
      const wire::PoolQuestion question{
          {sha256s.begin() + static_cast<std::ptrdiff_t>(at), sha256s.begin() + static_cast<std::ptrdiff_t>(end)}};
      BELAY_TRY_ASSIGN(const auto text, send("POST", "/agent/v1/pool", json::encode_text(question)));
      BELAY_TRY_ASSIGN(auto answer, json::decode_text<wire::PoolAnswer>(text, {kAnswerBytesMax, 8}));
      if (answer.chunk_bytes == 0 || answer.chunk_bytes > kChunkBytesMax)
        return Error(Code::corrupt, "the server's package pool has chunks of " + std::to_string(answer.chunk_bytes) +
                                        " bytes, which this agent does not take");
      chunk_bytes_ = answer.chunk_bytes;
      for (auto& entry : answer.entries) entries.push_back(std::move(entry));
    }
    return entries;
  }

  Status fetch(const fleet::PackageChange& change, const std::string& path) override {
    const std::string part = path + ".part";
    BELAY_TRY(files_.remove(part));
    const Status fetched = fetch_into(change, part);
    if (fetched.ok()) return files_.rename_durable(part, path);
    BELAY_TRY(files_.remove(part));
    return fetched;
  }

  Status give(const fleet::PackageChange& change, const std::string& path) override {
    BELAY_TRY(learn_chunks(change));
    BELAY_TRY_ASSIGN(const auto file, io::MappedFile::open(path));
    const auto content = file.text();
    for (std::uint64_t index = 0; index * chunk_bytes_ < content.size(); ++index) {
      BELAY_TRY_ASSIGN(const auto text, send("PUT", place(change, index),
                                             std::string(content.substr(index * chunk_bytes_, chunk_bytes_))));
      BELAY_TRY_ASSIGN(const auto receipt, json::decode_text<wire::PoolReceipt>(text));
      if (receipt.complete) return {};
    }
    return Error(Code::internal,
                 "the server's package pool took all of " + change.name + " and does not have it whole");
  }

  Result<bool> is_file_of(const fleet::PackageChange& change, const std::string& path) override {
    BELAY_TRY_ASSIGN(const auto file, io::MappedFile::open(path));
    io::Sha256Stream hash;
    for (auto rest = file.text(); !rest.empty(); rest.remove_prefix(std::min(rest.size(), kPieceBytes)))
      hash.update(rest.substr(0, kPieceBytes));
    return hash.finish_hex() == change.sha256;
  }

 private:
  static std::string place(const fleet::PackageChange& change, std::uint64_t index) {
    return "/agent/v1/pool/" + change.sha256 + "/" + std::to_string(index);
  }

  Status learn_chunks(const fleet::PackageChange& change) {
    if (chunk_bytes_ > 0) return {};
    BELAY_TRY(ask({change.sha256}));
    return {};
  }

  Status fetch_into(const fleet::PackageChange& change, const std::string& part) {
    BELAY_TRY(learn_chunks(change));
    io::Sha256Stream hash;
    std::uint64_t got = 0;
    for (std::uint64_t index = 0; got < change.size_bytes; ++index) {
      BELAY_TRY_ASSIGN(const auto bytes, send("GET", place(change, index), ""));
      got += bytes.size();
      if (bytes.empty() || got > change.size_bytes) break;
      hash.update(bytes);
      BELAY_TRY(files_.append_durable(part, bytes, 0644));
    }
    const auto found = hash.finish_hex();
    if (got == change.size_bytes && found == change.sha256) return {};
    return Error(Code::corrupt,
                 "what the server's package pool gave as " + change.name + " " + change.to_version + " has SHA-256 " +
                     found + ", not the order's " + change.sha256 + "; nothing of it is used",
                 "signature-bad");
  }

  // The body of a 200. Put off, or not reached: again.
  Result<std::string> send(const std::string& method, const std::string& target, std::string body) {
    io::HttpRequest request;
    request.method = method;
    request.target = target;
    request.headers.set("Content-Type", method == "POST" ? "application/json" : "application/octet-stream");
    request.body = std::move(body);
    for (int put_off = 0, unreached = 0;;) {
      auto answer = once(request);
      if (answer.ok() || answer.error().code() != Code::unavailable) return answer;
      if (answer.error().reason() == kPutOff ? ++put_off >= kPutOffMax : ++unreached >= kUnreachedMax) return answer;
      host_.pause(kPause);
    }
  }

  Result<std::string> once(const io::HttpRequest& request) {
    if (!client_) {
      BELAY_TRY_ASSIGN(const auto identity, identity_());
      io::HttpClientOptions options;
      options.timeout = kRequestTimeout;
      options.body_bytes_max = kAnswerBytesMax;
      options.tls = tls_of(identity);
      BELAY_TRY_ASSIGN(client_, io::make_http_client(identity.server, options));
    }
    auto response = client_->send(request);
    if (!response.ok()) {
      client_.reset();
      return Error(Code::unavailable, "the server's package pool cannot be reached: " + response.error().chain(),
                   "repository-unreachable");
    }
    if (response->status == 200) return std::move(response->body);
    return refusal(*response);
  }

  io::Files& files_;
  HostControl& host_;
  const std::function<Result<Identity>()> identity_;
  std::unique_ptr<io::HttpClient> client_;
  std::uint64_t chunk_bytes_ = 0;
};

}  // namespace

std::unique_ptr<PackagePool> make_package_pool(io::Files& files, HostControl& host,
                                               std::function<Result<Identity>()> identity) {
  return std::make_unique<HttpPackagePool>(files, host, std::move(identity));
}

}  // namespace belay::agent
