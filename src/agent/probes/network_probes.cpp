// Whether something answers over the network: a TCP port, an HTTP server.
#include <arpa/inet.h>

#include <algorithm>

#include "agent/probes/kinds.hpp"

namespace belay::agent::probes {
namespace {

constexpr const char* kCertificate = "certificate";  // SHA-256 of the one taken as it was found
constexpr std::size_t kBodyBytesMax = 4 << 20;

// What the other end did or left undone; the rest (no sockets left, no bundle of authorities) says nothing about it.
bool is_its_own_doing(const Error& error) {
  return error.code() == Code::unavailable || error.code() == Code::timed_out ||
         error.code() == Code::unauthenticated || error.code() == Code::corrupt;
}

// An answer that failed, as a reading; an error where the probe was not given the time it may take.
Result<ProbeReading> failed_reading(const Error& error, Duration within, Duration given) {
  if (!is_its_own_doing(error) || (error.code() == Code::timed_out && given < within)) return error;
  return reading(false, error.chain());
}

class TcpProbe final : public NamedProbe {
 public:
  TcpProbe(std::string name, patchrun::TcpProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  Result<ProbeReading> measure(Duration timeout, const ProbeReading*) override {
    BELAY_TRY_ASSIGN(const auto address, parse_endpoint(spec_.address));
    const auto begun = seams_.clock.monotonic();
    const auto connected = seams_.reach.connect(address, std::min(timeout, spec_.within));
    if (!connected.ok()) return failed_reading(connected.error(), spec_.within, timeout);
    return reading(true, "connected in " + humanize(seams_.clock.monotonic() - begun));
  }

 private:
  patchrun::TcpProbe spec_;
  ProbeSeams seams_;
};

// As it is written: a name that leads to this machine by way of DNS is not taken at its word.
bool is_loopback(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  if (::inet_pton(AF_INET6, host.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
  return host == "localhost";
}

class HttpProbe final : public NamedProbe {
 public:
  HttpProbe(std::string name, patchrun::HttpProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  Result<ProbeReading> measure(Duration timeout, const ProbeReading* before) override {
    BELAY_TRY_ASSIGN(const auto url, parse_url(spec_.url));
    const auto begun = seams_.clock.monotonic();
    const Allowance allowance(seams_.clock, std::min(timeout, spec_.within));
    std::string certificate;
    const auto response = ask(url, before, allowance, certificate);
    if (!response.ok()) return failed_reading(response.error(), spec_.within, timeout);
    std::string seen =
        "status " + std::to_string(response->status) + " after " + humanize(seams_.clock.monotonic() - begun);
    std::map<std::string, std::string> values;
    if (!certificate.empty()) {
      seen += ", by a certificate that no authority of this host vouches for (SHA-256 " + certificate + ")";
      values[kCertificate] = certificate;
    }
    if (std::cmp_not_equal(response->status, spec_.status))
      return reading(false, seen + "; expected " + std::to_string(spec_.status), std::move(values));
    if (response->body.find(spec_.contains) == std::string::npos)
      return reading(false, seen + "; its body does not contain '" + spec_.contains + "'", std::move(values));
    return reading(true, seen, std::move(values));
  }

 private:
  // Who answers over TLS must be vouched for by an authority of this host's. A service of the machine's own often has a
  // certificate of its own making, or one for its public name; on loopback, where nobody stands between, that one is
  // taken as it is found before the change, said so, and must be the same after it.
  Result<io::HttpResponse> ask(const Url& url, const ProbeReading* before, const Allowance& allowance,
                               std::string& certificate) {
    if (url.scheme != "https") return get(allowance, {});
    if (before)
      if (const auto found = before->values.find(kCertificate); found != before->values.end()) {
        certificate = found->second;
        return pinned(allowance, certificate);
      }
    io::TlsClientSettings vouched;
    vouched.system_ca = true;
    auto response = get(allowance, vouched);
    const bool unknown = !response.ok() && (response.error().code() == Code::unauthenticated ||
                                            response.error().reason() == "no-ca-bundle");
    if (!unknown || before || !is_loopback(url.host)) return response;
    BELAY_TRY_ASSIGN(certificate, seams_.reach.certificate_sha256_hex({url.host, url.port}, allowance.left()));
    return pinned(allowance, certificate);
  }

  Result<io::HttpResponse> pinned(const Allowance& allowance, const std::string& certificate) {
    io::TlsClientSettings tls;
    tls.ca_sha256_hex = certificate;
    tls.verify_host_name = false;
    auto response = get(allowance, tls);
    if (response.ok() || response.error().reason() != "certificate-untrusted") return response;
    return response.error().within("it shows another certificate than before the change");
  }

  Result<io::HttpResponse> get(const Allowance& allowance, io::TlsClientSettings tls) {
    io::HttpClientOptions options;
    options.tls = std::move(tls);
    options.timeout = allowance.left();
    options.body_bytes_max = kBodyBytesMax;
    return seams_.reach.get(spec_.url, options);
  }

  patchrun::HttpProbe spec_;
  ProbeSeams seams_;
};

}  // namespace

ProbePtr make_probe(std::string name, patchrun::TcpProbe spec, const ProbeSeams& seams) {
  return std::make_unique<TcpProbe>(std::move(name), std::move(spec), seams);
}
ProbePtr make_probe(std::string name, patchrun::HttpProbe spec, const ProbeSeams& seams) {
  return std::make_unique<HttpProbe>(std::move(name), std::move(spec), seams);
}

}  // namespace belay::agent::probes
