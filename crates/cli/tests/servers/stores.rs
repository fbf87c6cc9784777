//! The servers, and the URL of a store on each.

use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::job::main_job;
use crate::process::{Server, accepts, free_port};
use crate::run::run_alone;
use crate::tools;

/// What went wrong, of any kind.
type AnyError = Box<dyn Error + Send + Sync>;

/// A server's store, and what of its URL nobody is to see.
struct Place {
    url: String,
    secrets: Vec<String>,
    /// Ends with the trial.
    _server: Arc<Server>,
}

type Make = fn() -> Result<Place, AnyError>;

/// Every place that the main job is done at: its name, and how it is made.
const PLACES: [(&str, Make); 2] = [("s3-seaweedfs", seaweedfs), ("sftp-openssh", openssh)];

pub(crate) fn trials() -> Vec<Trial> {
    let missing = tools::missing();
    let trial = |(name, make): (&str, Make)| {
        let run = move || {
            let place = make().map_err(|error| error.to_string())?;
            let secrets: Vec<_> = place.secrets.iter().map(String::as_str).collect();
            main_job(&place.url, &secrets, true);
            Ok(())
        };
        let why = missing.clone().unwrap_or_default();
        Trial::test(format!("{name}::main_job"), run).with_ignored_flag(!why.is_empty()).with_kind(why)
    };
    PLACES.into_iter().map(trial).collect()
}

fn seaweedfs() -> Result<Place, AnyError> {
    const ACCESS_KEY: &str = "main-job-access";
    const SECRET_KEY: &str = "main-job-hunter2";
    let program = tools::python("weed")?;
    let start = |port: u16, folder: &Path| {
        // Of an admin it makes every bucket that is named.
        let keys = format!(
            r#"{{"identities":[{{"name":"job","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],"actions":["Admin"]}}]}}"#
        );
        std::fs::write(folder.join("s3.json"), keys)?;
        let here = folder.display();
        let mut command = Command::new(&program);
        command.env("HOME", folder).args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
        command.args(["-volume.max=30", "-master.volumeSizeLimitMB=128", "-master.telemetry=false"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.args([
            format!("-dir={here}"),
            format!("-s3.port={port}"),
            format!("-s3.config={here}/s3.json"),
        ]);
        for name in ["s3", "filer"] {
            command.arg(format!("-{name}.localSocket={here}/{name}.sock"));
        }
        for name in ["master", "volume", "filer"] {
            command
                .arg(format!("-{name}.port={}", free_port()?))
                .arg(format!("-{name}.port.grpc={}", free_port()?));
        }
        command.arg(format!("-s3.port.grpc={}", free_port()?));
        Ok(command)
    };
    let server = Server::start("seaweedfs", start, accepts)?;
    let url = format!(
        "s3://main-job/blobs?endpoint=http://127.0.0.1:{}&allow_http=true&access_key_id={ACCESS_KEY}&secret_access_key={SECRET_KEY}",
        server.port
    );
    let place = Place { url, secrets: vec![SECRET_KEY.to_owned()], _server: server };
    // It takes connections long before it can store anything.
    let begun = Instant::now();
    loop {
        let tried = run_alone(&[
            "store",
            "put",
            "/dev/null",
            &format!("{}&attempts=1", place.url.replace("/blobs?", "/ready?")),
            "--overwrite",
        ]);
        match tried.code {
            0 => return Ok(place),
            _ if begun.elapsed() > Duration::from_secs(90) => return Err(tried.stderr.into()),
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// Makes a key pair, and returns the public line of it.
fn make_key(path: &Path) -> std::io::Result<String> {
    let program = tools::system("ssh-keygen", "openssh-client").map_err(std::io::Error::other)?;
    let made = Command::new(program).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status()?;
    if !made.success() {
        return Err(std::io::Error::other("ssh-keygen failed"));
    }
    std::fs::read_to_string(path.with_extension("pub"))
}

fn openssh() -> Result<Place, AnyError> {
    let sshd = tools::system("sshd", "openssh-server")?;
    let user = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?.trim().to_owned();
    if user == "root" {
        // Where it gives up its rights; the package's service makes it, which does not run here.
        std::fs::create_dir_all("/run/sshd")?;
        std::fs::set_permissions("/run/sshd", std::fs::Permissions::from_mode(0o755))?;
    }
    let start = |port: u16, folder: &Path| {
        let known = format!("[127.0.0.1]:{port} {}", make_key(&folder.join("host"))?);
        std::fs::write(folder.join("known_hosts"), known)?;
        std::fs::write(folder.join("authorized"), make_key(&folder.join("user"))?)?;
        let here = folder.display();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        );
        std::fs::write(folder.join("settings"), settings)?;
        let mut command = Command::new(&sshd);
        command.arg("-D").arg("-e").arg("-f").arg(folder.join("settings"));
        Ok(command)
    };
    let server = Server::start("sshd", start, accepts)?;
    let folder = server.folder();
    let here = folder.display();
    let port = server.port;
    let url = format!(
        "sftp://{user}@127.0.0.1:{port}{here}/blobs?key_file={here}/user&known_hosts={here}/known_hosts"
    );
    Ok(Place { url, secrets: Vec::new(), _server: server })
}
