//! Whatever a name leads to: no address of a denied network is dialled, however it is dressed up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use longshore_egress::{ErrorKind, Guard, Request, Resolver, Resolving};
use proptest::prelude::*;

use longshore_egress::testing::local;

#[derive(Debug)]
struct Fixed(Vec<IpAddr>);

impl Resolver for Fixed {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// Written out again, apart from the table in the code.
fn inner_v4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| [10, b, c, d]),
        any::<[u8; 3]>().prop_map(|[b, c, d]| [0, b, c, d]),
        (any::<[u8; 2]>(), 16_u8..32).prop_map(|([c, d], b)| [172, b, c, d]),
        any::<[u8; 2]>().prop_map(|[c, d]| [192, 168, c, d]),
        any::<[u8; 2]>().prop_map(|[c, d]| [169, 254, c, d]),
        (any::<[u8; 2]>(), 64_u8..128).prop_map(|([c, d], b)| [100, b, c, d]),
        any::<u8>().prop_map(|d| [192, 0, 0, d]),
        (any::<[u8; 2]>(), 18_u8..20).prop_map(|([c, d], b)| [198, b, c, d]),
        (any::<[u8; 3]>(), 224_u8..=255).prop_map(|([b, c, d], a)| [a, b, c, d]),
        Just([168, 63, 129, 16]),
    ]
    .prop_map(Ipv4Addr::from)
}

fn inner() -> impl Strategy<Value = IpAddr> {
    let dressed = (inner_v4(), any::<[u16; 5]>(), 0..4).prop_map(|(address, noise, form)| {
        let bits = address.to_bits();
        let (high, low) = ((bits >> 16) as u16, bits as u16);
        match form {
            0 => IpAddr::V4(address),
            1 => address.to_ipv6_mapped().into(),
            2 => Ipv6Addr::from([0x64, 0xff9b, 0, 0, 0, 0, high, low]).into(),
            _ => {
                let [a, b, c, d, e] = noise;
                Ipv6Addr::from([0x2002, high, low, a, b, c, d, e]).into()
            }
        }
    });
    let v6 = (
        any::<[u16; 7]>(),
        prop_oneof![0xfc00_u16..0xfe00, 0xfe80_u16..0xff00, 0xff00_u16..=0xffff, 0x4000_u16..0xfc00],
    )
        .prop_map(|([b, c, d, e, f, g, h], a)| Ipv6Addr::from([a, b, c, d, e, f, g, h]).into());
    prop_oneof![3 => dressed, 1 => v6]
}

fn public() -> impl Strategy<Value = IpAddr> {
    // Addresses the tests may dial: nobody listens on this port there, and no packet leaves the machine.
    any::<u8>().prop_map(|d| Ipv4Addr::new(127, 0, 1, d).into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn egress_guard_never_dials_a_denied_network(
        before in prop::collection::vec(public(), 0..4),
        denied in inner(),
        after in prop::collection::vec(public(), 0..4),
    ) {
        let list: Vec<_> = before.into_iter().chain([denied]).chain(after).collect();
        let guard = Guard::with_resolver(local(), Arc::new(Fixed(list))).unwrap();
        let mut request = Request::get(guard.check_url("http://any.test:9/").unwrap());
        request.limits.total = Duration::from_millis(500);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A dial would end in another kind of error.
        let error = runtime.block_on(guard.send(request)).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::BlockedAddress);
    }

    #[test]
    fn no_text_makes_the_check_panic(text in "\\PC{0,40}", host in "[0-9a-fx.:\\[\\]%@/#?]{0,30}") {
        let guard = Guard::new(local()).unwrap();
        guard.check_url(&text).ok();
        guard.check_url(&format!("https://{host}/")).ok();
    }
}
